"""What a checkpoint costs: `python -m benchmarks.checkpoints`, from the root of the checkout.

One replica (its own quorum) with the Redis service, its core, journal and state files as in `quorate replica`, but
without sockets: requests of many SETs are handed to it one after the other, and all of its turns are timed. Keys are
chosen at random. A checkpoint's stall is the longest time that a batch took from being handed in to being executed, in
the interval in which the checkpoint is taken, hashed and written: all of it, its own execution too. Beside it stands
what all batches took. Both are given as time on the clock, and as processor time of the thread that orders: on a
machine that is busy otherwise the former says as much of the others.

`sync` replies only once votes are on disk; turns go on meanwhile, as everywhere. Its stall is that of ordering too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from benchmarks import machine
from benchmarks.latencies import percentile
from benchmarks.load.operations import redis_set
from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.client.session import SendRequest, Session
from quorate.config import Settings
from quorate.core.ports import Context
from quorate.core.replica import Replica
from quorate.folder import create_cluster, load_client, load_replica
from quorate.runtime.durability import find
from quorate.runtime.roster import Roster
from quorate.services.redis.operation import Pipeline, encode_operation

Durability = Literal["sync", "async", "memory"]
_VALUE_BYTES: Final = 100
_WARM_UP: Final = 5
"""Checkpoints that are not counted: the first one hashes and writes all keys."""
_SEED: Final = 7


class Times(NamedTuple):
    """Of a batch, or the longest ones of a checkpoint's interval; in seconds."""

    clock: float
    processor: float


class Client(NamedTuple):
    """Whom the replica knows its one client's link as."""

    public_key: bytes
    replica_id: int | None = None
    name: str = "client"


class ClientLink:
    """The client's end of its link: keeps the replies."""

    def __init__(self, public_key: bytes) -> None:
        self.peer = Client(public_key)
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> bool:
        """Take in a frame."""
        self.frames.append(frame)
        return True

    def close(self, reason: str) -> None:
        """Nothing holds it open."""


class Collections:
    """What the garbage collector's full collections took, in processor time."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, about: dict[str, int]) -> None:
        if about["generation"] == 2 and phase == "start":
            self._began = time.thread_time()
        elif about["generation"] == 2:
            self.pauses.append(time.thread_time() - self._began)

    def __str__(self) -> str:
        longest = f", the longest {1000 * max(self.pauses):.1f} ms" if self.pauses else ""
        return f"{len(self.pauses)} full garbage collections{longest}"

    def close(self) -> None:
        """Look no more."""
        gc.callbacks.remove(self._note)


class Bench:
    """The replica and its client."""

    def __init__(self, folder: Path, durability: Durability, keys: int) -> None:
        cluster = create_cluster(folder / "cluster", [("127.0.0.1", 1)], "redis", Settings(durability=durability))
        own, (client, _) = load_replica(cluster.replica(0)), load_client(cluster.client())
        self.interval: Final = own.configuration.settings.checkpoint_interval
        found = find(own)
        self._keeper = found.keeper
        self._fill(found.service.execute, keys)
        self._opener = ReplicaAuthenticator(0, own.key_pair, own.configuration)
        self._replica = Replica(0, own.configuration, found.service, self._opener, tracing=False)
        roster = Roster()
        self._link = ClientLink(client.public_key)
        roster.add(self._link)
        self._driver = found.driver(roster, lambda _: None)
        self._client = ClientAuthenticator(client, own.configuration)
        self._session = Session(self._client, own.configuration, time.time_ns() // 1000)
        self._keys = keys
        self._draw = random.Random(_SEED)
        self._version = 0
        self.waits = 0
        """Batches that had to wait: for the checkpoint before theirs to be hashed and written."""

    def _fill(self, execute: Callable[[bytes, Context], bytes], keys: int) -> None:
        gc.collect()
        gc.freeze()  # as a replica does when it starts; what comes later is looked at
        for number in range(keys):
            execute(_set(number, 0), Context(bytes(32), number + 1, bytes(32), 0))

    async def checkpoint(self, writes: int) -> tuple[Times, list[Times]]:
        """Order batches up to the next checkpoint: the longest times, and those of all batches."""
        batches = []
        for index in range(self.interval):
            share = writes * (index + 1) // self.interval - writes * index // self.interval
            batches.append(await self._order(share))
        longest = Times(max(each.clock for each in batches), max(each.processor for each in batches))
        return longest, batches

    async def _order(self, writes: int) -> Times:
        """One batch. What the client does is not timed, nor that a reply waits for the disk."""
        self._version += 1
        numbers = self._draw.sample(range(self._keys), writes)
        self._session.begin(tuple(_set(number, self._version) for number in numbers), _now())
        taken = Times(0.0, 0.0)
        while frames := [each.frame for each in self._session.settle(_now()) if isinstance(each, SendRequest)]:
            for frame in frames:
                taken = _sum(taken, await self._execute(frame))
            while not self._link.frames:
                await self._rest()
            for frame in self._link.frames:
                self._session.receive(self._client.open(frame), _now())  # type: ignore[arg-type]
            self._link.frames.clear()
        return taken

    async def _execute(self, frame: bytes) -> Times:
        """Hand a request in, and take turns until it is executed."""
        clock, processor = time.perf_counter(), time.thread_time()
        executed = self._replica.core.last_executed
        self._replica.receive(self._opener.open(frame), _now(), _wall())
        self._turn()
        self.waits += self._replica.core.last_executed == executed
        while self._replica.core.last_executed == executed:
            await self._rest()
        return Times(time.perf_counter() - clock, time.thread_time() - processor)

    def _turn(self) -> None:
        self._driver.perform(self._replica.settle(_now(), _wall()))

    async def _rest(self) -> None:
        """Let the disk's threads report, and take a turn if one is due."""
        await asyncio.sleep(0.001)
        deadline = self._replica.next_deadline()
        if deadline is not None and deadline <= _now() and not self._driver.is_behind:
            self._turn()

    def close(self) -> None:
        """End the threads."""
        if self._keeper is not None:
            self._keeper.close()


def _set(number: int, version: int) -> bytes:
    return encode_operation(Pipeline(0, 2, redis_set(b"key:%07d" % number, b"%0*d" % (_VALUE_BYTES, version))))


def _now() -> int:
    return time.monotonic_ns() // 1000


def _wall() -> int:
    return time.time_ns() // 1000


def _sum(one: Times, other: Times) -> Times:
    return Times(one.clock + other.clock, one.processor + other.processor)


def _line(what: str, times: Sequence[Times]) -> str:
    columns = []
    for name, samples in (("clock", [each.clock for each in times]), ("processor", [each.processor for each in times])):
        ordered = sorted(1000 * sample for sample in samples)
        figures = (percentile(ordered, 50), percentile(ordered, 99), ordered[-1])
        columns.append(f"{name} p50 {figures[0]:.1f}, p99 {figures[1]:.1f}, max {figures[2]:.1f} ms")
    return f"  {what}: {'; '.join(columns)}"


async def measure(folder: Path, durability: Durability, keys: int, writes: int, checkpoints: int) -> list[str]:
    """Measure, and the lines that say what was found."""
    bench = Bench(folder, durability, keys)
    try:
        for _ in range(_WARM_UP):
            await bench.checkpoint(writes)
        collections = Collections()
        bench.waits = 0
        began, processor = time.perf_counter(), time.process_time()
        intervals = [await bench.checkpoint(writes) for _ in range(checkpoints)]
        took, worked = time.perf_counter() - began, time.process_time() - processor
        collections.close()
    finally:
        bench.close()
    total = writes * checkpoints
    cost = 1e6 * worked / total
    return [
        f"{durability}: {keys:,} keys of {_VALUE_BYTES} bytes, {checkpoints} checkpoints, each after {writes:,} writes",
        _line("stall of a checkpoint", [longest for longest, _ in intervals]),
        _line("each batch", [each for _, batches in intervals for each in batches]),
        f"  {total / took:,.0f} writes a second, {cost:.1f} us of processor time each, the client's too",
        f"  {bench.waits} batches waited for the checkpoint before theirs; {collections}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print some lines for each durability."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoints", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--writes", type=int, default=10_000, help="writes from checkpoint to checkpoint")
    parser.add_argument("--checkpoints", type=int, default=100, help="how many are measured")
    parser.add_argument("--durability", nargs="+", choices=["memory", "async", "sync"], default=["memory", "sync"])
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where files are kept meanwhile")
    chosen = parser.parse_args(arguments)
    about = machine.describe(chosen.directory)
    print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    for durability in chosen.durability:
        with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
            work = measure(Path(folder), durability, chosen.keys, chosen.writes, chosen.checkpoints)
            print("\n".join(asyncio.run(work)), flush=True)
    print(f"load average at the end {os.getloadavg()[0]:.2f}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""What storage takes: `python -m benchmarks.room`, from the root of the checkout.

Four replicas with `sync`, started by the command line, and one client that SETs 32-byte values to random keys. Printed
are the bytes that a replica wrote, as the system counts what went to the disk (`write_bytes` in /proc/PID/io, whole
pages), and the room that its files take, at each tenth of the way and for a million operations.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.load.operations import redis_set
from benchmarks.processes import Processes
from benchmarks.systems.quorate import start_replicas, status_of
from quorate.client.aio import AsyncClient, connect
from quorate.config import Settings
from quorate.services.redis.operation import Pipeline, encode_operation

_SEED: Final = 7
_PATIENCE_SECONDS: Final = 120.0
_LOOKS: Final = 10


def written_bytes(pid: int) -> int:
    """What a process has had written to disks."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"])


def room_of(folder: Path) -> int:
    """What the files below a folder take on the disk."""
    return sum(512 * path.stat().st_blocks for path in folder.rglob("*") if path.is_file())


def operations_of(keys: int, draw: random.Random) -> bytes:
    """A SET of a random key."""
    value = b"%032d" % draw.randrange(10**9)
    return encode_operation(Pipeline(0, 2, redis_set(b"key:%06d" % draw.randrange(keys), value)))


async def order(client: AsyncClient, keys: int, operations: int, in_flight: int, draw: random.Random) -> None:
    """Have so many operations executed, so many at once."""
    left = operations

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await client.invoke(operations_of(keys, draw), _PATIENCE_SECONDS)

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def measure(folder: Path, keys: int, operations: int, in_flight: int) -> list[str]:
    """Measure, and the lines that say what was found: means of the four replicas."""
    lines = []
    with Processes(folder) as processes:
        cluster = start_replicas(processes, Settings(durability="sync"))
        pids = [replica["pid"] for replica in status_of(cluster)["replicas"]]
        before = [written_bytes(pid) for pid in pids]
        rooms = []
        async with connect(cluster / "client", wait_seconds=_PATIENCE_SECONDS) as client:
            draw = random.Random(_SEED)
            for look in range(1, _LOOKS + 1):
                await order(client, keys, operations // _LOOKS, in_flight, draw)
                rooms.append(max(room_of(cluster / f"replica-{number}" / "storage") for number in range(len(pids))))
                lines.append(f"  after {look * (operations // _LOOKS):,}: at most {rooms[-1] / 1e6:.1f} MB of room")
        each = sum(written_bytes(pid) - was for pid, was in zip(pids, before, strict=True)) / len(pids)
    done = operations // _LOOKS * _LOOKS
    return [
        f"{done:,} SETs of 32 bytes to {keys:,} keys, {in_flight} in flight, sync:",
        *lines,
        f"  a replica wrote {each / 1e6:.1f} MB: {each / done:.0f} MB for a million operations",
        f"  its files took {max(rooms) / 1e6:.1f} MB at most, at the end {rooms[-1] / 1e6:.1f} MB",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.room", description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1000])
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where the replicas keep their files")
    chosen = parser.parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine.describe(chosen.directory).items()), flush=True)
    for in_flight in chosen.in_flight:
        with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
            work = measure(Path(folder), chosen.keys, chosen.operations, in_flight)
            print("\n".join(asyncio.run(work)), flush=True)


if __name__ == "__main__":
    main()

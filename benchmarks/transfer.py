"""What a state transfer costs the others: `python -m benchmarks.transfer`, from the root of the checkout.

Four replicas (`async`: state on disk, nobody waits for it) with many keys, under load from one client. Replica 3 is
stopped, its state files are removed, and it is started again: it fetches all of the state. Printed is the throughput
while only three replicas run, while the fourth fetches, and when it has come back, and their ratios, several times.
The replica that fetches works on the same processors here: on a machine of its own it would take nothing away.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import machine
from benchmarks.measurement import MeasurementFailed
from benchmarks.processes import Processes, python_module
from benchmarks.room import operations_of
from benchmarks.systems.quorate import start_replicas
from quorate.client.aio import AsyncClient, connect
from quorate.config import Settings
from quorate.errors import RequestFailed

_SEED: Final = 7
_PATIENCE_SECONDS: Final = 300.0
_VICTIM: Final = 3
_FILLERS: Final = 2000


class Fetched(NamedTuple):
    """One fetch."""

    seconds: float
    rate_before: float
    rate_meanwhile: float
    size: int


class Bench:
    """A cluster under load."""

    def __init__(self, processes: Processes, client: AsyncClient, cluster: Path, keys: int) -> None:
        self._processes = processes
        self._client = client
        self._cluster = cluster
        self._keys = keys
        self._draw = random.Random(_SEED)
        self.done = 0

    async def work(self) -> None:
        """One operation after the other."""
        while True:
            await self._client.invoke(operations_of(self._keys, self._draw), _PATIENCE_SECONDS)
            self.done += 1

    async def rate(self, seconds: float) -> float:
        """Operations a second, for so long."""
        began, done = time.perf_counter(), self.done
        await asyncio.sleep(seconds)
        return (self.done - done) / (time.perf_counter() - began)

    async def victim(self) -> dict[str, Any]:
        """What the replica says of itself; nothing while it does not answer."""
        try:
            return await self._client.inspect(_VICTIM, 1.0)
        except RequestFailed:
            return {}

    async def fetch(self, process: Any, seconds: float) -> tuple[Fetched, Any]:
        """Stop the replica, take its state away, start it again, and wait until it has fetched all of it."""
        self._processes.end(process)
        folder = self._cluster / f"replica-{_VICTIM}"
        for path in folder.glob("storage/*/state-*.log"):
            path.unlink()
        before = await self.rate(seconds)
        process = self._processes.start(f"replica-{_VICTIM}", python_module("quorate", "replica", str(folder)))
        size = 0
        report: dict[str, Any] = {}
        while report.get("transfer") is None:
            self._processes.check()
            report = await self.victim()
        began, done = time.perf_counter(), self.done
        while report.get("transfer") is not None or report.get("needs_state", True):
            size = max(size, (report.get("transfer") or {}).get("size", 0))
            await asyncio.sleep(0.05)
            report = await self.victim()
        took = time.perf_counter() - began
        return Fetched(took, before, (self.done - done) / took, size), process


async def measure(folder: Path, keys: int, in_flight: int, repetitions: int, seconds: float) -> list[str]:
    """Measure, and the lines that say what was found."""
    with Processes(folder) as processes:
        cluster, started = (
            start_replicas(processes, Settings(durability="async")),
            processes.named(f"replica-{_VICTIM}"),
        )
        async with connect(cluster / "client", wait_seconds=_PATIENCE_SECONDS) as client:
            bench = Bench(processes, client, cluster, keys)
            fillers = [asyncio.create_task(bench.work()) for _ in range(_FILLERS)]
            while bench.done < 3 * keys:
                await asyncio.sleep(0.1)
            for filler in fillers[in_flight:]:
                filler.cancel()
            fetches = []
            for _ in range(repetitions):
                fetched, started = await bench.fetch(started, seconds)
                fetches.append((fetched, await bench.rate(seconds)))
            for filler in fillers:
                filler.cancel()
    if not all(fetched.size for fetched, _ in fetches):
        raise MeasurementFailed("nothing was fetched")
    lines = [f"about {keys:,} keys, {in_flight} operations in flight; operations a second:"]
    for fetched, after in fetches:
        before, meanwhile = fetched.rate_before, fetched.rate_meanwhile
        size = f"{fetched.size / 1e6:.1f} MB in {fetched.seconds:.1f} s"
        lines.append(
            f"  three replicas {before:,.0f}; while the fourth fetches {meanwhile:,.0f} ({size}); all {after:,.0f}; "
            f"ratio {meanwhile / before:.2f} and {meanwhile / after:.2f}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--keys", type=int, default=300_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="how long the throughput before and after is measured"
    )
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where the replicas keep their files")
    chosen = parser.parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine.describe(chosen.directory).items()), flush=True)
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        work = measure(Path(folder), chosen.keys, chosen.in_flight, chosen.repetitions, chosen.seconds)
        print("\n".join(asyncio.run(work)), flush=True)


if __name__ == "__main__":
    main()

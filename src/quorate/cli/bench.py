"""`quorate bench`: how many operations a second, and how long each takes."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from quorate.cli.operations import REDIS, encode_words, has_failed, redis_operation, result_for_people
from quorate.cli.options import Seconds
from quorate.cli.output import print_json, say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.client.aio import AsyncClient, connect
from quorate.client.waiting import ClientLimits
from quorate.errors import ConfigurationError, RequestFailed
from quorate.folder import load_client

KEYS: Final = 10_000
VALUE_BYTES: Final = 32
WARM_UP_SECONDS: Final = 0.5
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_ANSWER_SECONDS: Final = 30.0
_REDRAW_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 2.0
"""When the first operation takes longer, it is said that we wait."""


class Load:
    """Keeps a number of operations in flight, each followed by the next, and notes how long each took."""

    def __init__(self, client: AsyncClient, operations: Iterator[bytes], only_reads: bool = False) -> None:
        self._call = client.query if only_reads else client.invoke
        self._service = client.configuration.service
        self._operations = operations
        self._is_measuring = False
        self._is_over = False
        self.latencies: list[float] = []
        """In seconds, of the operations that ended while it was measured."""

    async def await_first(self, say_waiting: Callable[[], None], patience: float = _PATIENCE_SECONDS) -> None:
        """Have one operation executed, and say it when that takes long."""
        first = asyncio.ensure_future(self._call(next(self._operations), _ANSWER_SECONDS))
        done, _ = await asyncio.wait([first], timeout=patience)
        if not done:
            say_waiting()
        await first

    async def run(self, in_flight: int, seconds: float, draw: Callable[[float, int], None]) -> float:
        """Warm up, measure, let the last ones end; how many seconds were measured."""
        workers = [asyncio.create_task(self._work()) for _ in range(in_flight)]
        try:
            await _sleep_or_fail(WARM_UP_SECONDS, workers)
            self._is_measuring = True
            began = time.perf_counter()
            while (elapsed := time.perf_counter() - began) < seconds:
                draw(elapsed, len(self.latencies))
                await _sleep_or_fail(min(_REDRAW_SECONDS, seconds - elapsed), workers)
            self._is_measuring = False
            self._is_over = True
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return elapsed

    async def _work(self) -> None:
        while not self._is_over:
            operation = next(self._operations)
            began = time.perf_counter()
            result = await self._call(operation, _ANSWER_SECONDS)
            if has_failed(self._service, result):
                raise RequestFailed(f"the operation is refused: {result_for_people(self._service, result)}")
            if self._is_measuring:
                self.latencies.append(time.perf_counter() - began)


async def _sleep_or_fail(seconds: float, workers: Sequence[asyncio.Task[None]]) -> None:
    """Sleep, unless a worker fails meanwhile: then raise what it failed with."""
    done, _ = await asyncio.wait(workers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for worker in done:
        worker.result()


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("quorate-data"))
@click.option(
    "--clients",
    default=64,
    show_default=True,
    type=click.IntRange(1, ClientLimits().waiting_operations_max),
    help="Operations in flight at once.",
)
@click.option("--seconds", default=5.0, show_default=True, type=Seconds(0.1), help="How long to measure.")
@click.option(
    "--operation",
    help=f"What to repeat.  [default for redis: SET of {VALUE_BYTES} bytes to {KEYS} keys; with --reads GET of them]",
)
@click.option("--reads", "only_reads", is_flag=True, help="It only reads: it is not ordered where that is not needed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
@passphrase_option
def bench(
    directory: Path, clients: int, seconds: float, operation: str | None, only_reads: bool, as_json: bool
) -> None:
    """Measure the cluster in DIRECTORY: throughput, and the latency of each operation.

    One client process keeps --clients operations in flight; what is in flight together shares requests. DIRECTORY is
    the cluster's folder or a client's; by default ./quorate-data. What is written stays written.

    \b
    Example:  quorate bench quorate-data --clients 1 --seconds 10
              quorate bench quorate-data --reads
              quorate bench quorate-data --reads --operation 'LRANGE queue 0 9'

    Exit codes: 0 measured; 1 an operation failed; 2 an option or DIRECTORY is wrong.
    """
    _, configuration = load_client(directory, ask_passphrase)
    load = _operations(configuration.service, operation, only_reads)
    latencies, elapsed = uvloop.run(_measure(directory, load, only_reads, clients, seconds))
    report = summarise(latencies, elapsed)
    if as_json:
        print_json({"clients": clients, "seconds": elapsed, "operations": len(latencies)} | report)
        return
    say(f"{len(latencies)} operations in {elapsed:.1f} s, {clients} in flight: {report['throughput']:,.0f} a second")
    say("  ".join(f"{name} {report[f'{name}_ms']:.2f} ms" for name in PERCENTILES))


def _operations(service: str, operation: str | None, only_reads: bool) -> Iterator[bytes]:
    if operation is not None:
        return itertools.repeat(encode_words(service, _words(operation)))
    if service != REDIS:
        raise ConfigurationError(f"the cluster replicates {service}: name what to repeat, with --operation")
    verb, *value = [b"GET"] if only_reads else [b"SET", b"x" * VALUE_BYTES]
    return itertools.cycle([redis_operation([verb, b"key:%06d" % number, *value]) for number in range(KEYS)])


def _words(operation: str) -> list[str]:
    """The words of --operation, quoted as in a shell."""
    try:
        words = shlex.split(operation)
    except ValueError as error:
        raise ConfigurationError(f"--operation {operation}: {error}; quote it as in a shell") from None
    if not words:
        raise ConfigurationError("--operation is empty: name what to repeat, for example --operation 'INCR hits'")
    return words


async def _measure(
    directory: Path, operations: Iterator[bytes], only_reads: bool, clients: int, seconds: float
) -> tuple[list[float], float]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=hidden, transient=True) as progress:
        bar = progress.add_task("warming up", total=seconds)

        def draw(elapsed: float, count: int) -> None:
            rate = f"{count / elapsed:,.0f} a second" if elapsed > 0 else "measuring"
            progress.update(bar, completed=elapsed, description=rate)

        async with connect(directory) as client:
            load = Load(client, operations, only_reads)
            await load.await_first(lambda: _say_waiting(directory))
            elapsed = await load.run(clients, seconds, draw)
    return load.latencies, elapsed


def _say_waiting(directory: Path) -> None:
    click.echo(
        f"no operation has ended yet; waiting for up to {_ANSWER_SECONDS:.0f} seconds. Whether enough replicas work, "
        f"`quorate status {directory}` tells",
        err=True,
    )


def summarise(latencies: Sequence[float], elapsed: float) -> dict[str, float]:
    """Throughput a second, and percentiles in milliseconds."""
    ordered = sorted(latencies)
    summary = {"throughput": len(ordered) / elapsed}
    for name, fraction in PERCENTILES.items():
        at = min(len(ordered) - 1, int(fraction * len(ordered)))
        summary[f"{name}_ms"] = ordered[at] * 1000 if ordered else 0.0
    return summary

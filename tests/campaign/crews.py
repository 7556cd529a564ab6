"""Crews for tests: they run chunks at once, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from msgspec import json

from quorate.campaign.chunk import Chunk
from quorate.campaign.crew import Crew
from quorate.campaign.selection import Seeds
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Cell, Failure, Summary


class AtOnce(Executor):
    """Runs what it is given when it is given it."""

    def __init__(self, work: Callable[[Chunk], Summary]) -> None:
        self.work = work
        self.chunks: list[Chunk] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the chunk."""
        chunk = json.decode(args[0], type=Chunk)
        self.chunks.append(chunk)
        future: Future[Any] = Future()
        try:
            future.set_result(json.encode(self.work(chunk)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the future holds it
            future.set_exception(error)
        return future


def crew_of(executor: Executor, size: int = 2) -> Crew:
    return Crew(executor, lambda: size, "this process")


@contextmanager
def assembled(executor: Executor) -> Iterator[Crew]:
    yield crew_of(executor)


def all_well(chunk: Chunk) -> Summary:
    """Every seed of the chunk was run; nothing was found."""
    count = len(chunk.seeds)
    cells = [Cell("calm", 4, count, 0, 100 * count, 1_000_000 * count, count, 1, 5 * count, 7 * count, 0.5 * count)]
    return Summary(
        cells=cells, seeds=chunk.seeds, selection=chunk.selection, sources=sources_digest(), version="v", elapsed=0.1
    )


def one_a_time(chunk: Chunk) -> Summary:
    """The time was up after one seed."""
    return all_well(Chunk(chunk.selection, Seeds(chunk.seeds.first, chunk.seeds.first + 1), chunk.seconds))


def failing(*seeds: int) -> Callable[[Chunk], Summary]:
    """These seeds break a rule."""

    def work(chunk: Chunk) -> Summary:
        summary = all_well(chunk)
        for seed in seeds:
            if seed in range(*chunk.seeds):
                command = f"quorate sim --seed {seed} --profile calm --replicas 4 --trace"
                text = f"replica 1 <b>committed</b> 12 & {seed}"
                summary.failures.append(Failure(seed, "calm", 4, "agreement", text, "replica 1 (mute)", command))
                summary.cells[0].failed += 1
        return summary

    return work

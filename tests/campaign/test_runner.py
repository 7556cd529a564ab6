"""Seeds are handed out, each once, until they, the time or the patience come to an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from campaign.crews import AtOnce, all_well, crew_of, one_a_time
from quorate.campaign.chunk import Chunk
from quorate.campaign.record import Record
from quorate.campaign.runner import CHUNK_SECONDS, CHUNK_SEEDS, SAMPLE_EVERY, Runner
from quorate.campaign.selection import Seeds, Selection, overlap
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Summary
from quorate.errors import QuorateError

SELECTION = Selection()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path / "results.jsonl")
    yield record
    record.close()


def run(
    record: Record, work: Callable[[Chunk], Summary], seeds: Seeds, seconds: float | None = None, size: int = 2
) -> AtOnce:
    executor = AtOnce(work)
    Runner(SELECTION, [seeds], crew_of(executor, size), record, Event(), seconds).run(lambda summary: None)
    return executor


@pytest.mark.parametrize("work", [all_well, one_a_time])
@pytest.mark.parametrize("size", [1, 3])
def test_every_seed_is_run_once(record: Record, work: Callable[[Chunk], Summary], size: int) -> None:
    run(record, work, Seeds(5, 60), size=size)
    done = record.done(SELECTION, sources_digest())
    assert overlap(Seeds(0, 100), done) == sum(map(len, done)) == 55


def test_chunks_are_bounded_and_get_smaller_at_the_end(record: Record) -> None:
    executor = run(record, all_well, Seeds(0, 5000))
    sizes = [len(chunk.seeds) for chunk in executor.chunks]
    assert max(sizes) == CHUNK_SEEDS
    assert sizes[-1] == 1
    assert {chunk.seconds for chunk in executor.chunks} == {CHUNK_SECONDS}


def test_one_chunk_in_some_is_observed(record: Record) -> None:
    executor = run(record, one_a_time, Seeds(0, 45))
    assert [chunk.is_sample for chunk in executor.chunks] == [at % SAMPLE_EVERY == 0 for at in range(45)]


def test_the_time_is_kept(record: Record) -> None:
    """Every chunk takes four seconds of eleven: the last one is told how much is left."""
    now = [100.0]

    def work(chunk: Chunk) -> Summary:
        now[0] += 4.0
        return one_a_time(chunk)

    executor = AtOnce(work)
    runner = Runner(SELECTION, [Seeds(0, 1000)], crew_of(executor, 1), record, Event(), 11.0, lambda: now[0])
    runner.run(lambda summary: None)
    assert [chunk.seconds for chunk in executor.chunks] == [CHUNK_SECONDS, 7.0, 3.0]
    assert runner.left == 997


def test_stopping_keeps_what_is_under_way(record: Record) -> None:
    executor, stop = AtOnce(one_a_time), Event()
    runner = Runner(SELECTION, [Seeds(0, 1000)], crew_of(executor), record, stop)

    def notice(summary: Summary) -> None:
        if len(record.summaries) >= 5:
            stop.set()

    runner.run(notice)
    assert len(record.summaries) == len(executor.chunks)
    assert runner.left == 1000 - len(record.summaries)


def test_a_worker_that_fails_ends_the_campaign_with_its_seeds_named(record: Record) -> None:
    def work(chunk: Chunk) -> Summary:
        raise MemoryError("no more")

    with pytest.raises(QuorateError, match=r"the seeds \d:\d failed: MemoryError\('no more'\)"):
        run(record, work, Seeds(0, 8))
    assert record.summaries == []


def test_results_of_other_sources_are_not_taken(record: Record) -> None:
    def work(chunk: Chunk) -> Summary:
        summary = all_well(chunk)
        summary.sources = "other"
        return summary

    with pytest.raises(QuorateError, match="other sources"):
        run(record, work, Seeds(0, 8))
    assert record.summaries == []

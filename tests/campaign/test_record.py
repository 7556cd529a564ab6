"""The results file: what is done is kept, what is torn is run again, nothing is mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from campaign.crews import all_well
from quorate.campaign.chunk import Chunk
from quorate.campaign.record import Record
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Summary
from quorate.errors import ConfigurationError

SELECTION = Selection()


@contextmanager
def opened(path: Path) -> Iterator[Record]:
    record = Record(path)
    try:
        yield record
    finally:
        record.close()


def summary_of(first: int, end: int, selection: Selection = SELECTION) -> Summary:
    return all_well(Chunk(selection, Seeds(first, end), 1.0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A results file with the seeds 0 to 9 and 20 to 29."""
    path = tmp_path / "folder" / "results.jsonl"
    with opened(path) as record:
        record.append(summary_of(0, 10))
        record.append(summary_of(20, 30))
    return path


def test_what_was_written_is_read(path: Path) -> None:
    with opened(path) as record:
        assert record.done(SELECTION, sources_digest()) == [Seeds(0, 10), Seeds(20, 30)]
        assert record.tally().total().seeds == 20


def test_other_sources_and_other_selections_are_told_apart(path: Path) -> None:
    with opened(path) as record:
        assert record.done(SELECTION, "other") == []
        assert record.done(Selection(replicas=(4,)), sources_digest()) == []


@pytest.mark.parametrize("kept", [1, 20, 200])
def test_a_torn_line_is_cut_off_and_run_again(path: Path, kept: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[1][:kept])
    with opened(path) as record:
        assert record.done(SELECTION, sources_digest()) == [Seeds(0, 10), Seeds(20, 30)]
        record.append(summary_of(30, 40))
    with opened(path) as record:
        assert record.done(SELECTION, sources_digest())[-1] == Seeds(30, 40)


@pytest.mark.parametrize("line", [b"{}x", b"\xff\xfe", b"[1]", b'{"seeds":"all"}', b'{"format":2}'])
def test_what_is_no_result_is_refused_with_its_line(path: Path, line: bytes) -> None:
    before = path.read_bytes() + line + b"\n"
    path.write_bytes(before)
    with pytest.raises(ConfigurationError, match=r"results.jsonl, line 3 (is not|has format)"):
        Record(path)
    assert path.read_bytes() == before


def test_one_campaign_at_a_time(path: Path) -> None:
    with opened(path), pytest.raises(ConfigurationError, match="in use by another campaign"):
        Record(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file/results.jsonl cannot be written"):
        Record(tmp_path / "file" / "results.jsonl")


def test_branches_are_written_once(path: Path) -> None:
    with opened(path) as record:
        for news in ({(1, 2)}, {(1, 2), (2, 3)}, {(2, 3)}):
            summary = summary_of(40, 41)
            summary.arcs = {"log.py": news}
            record.append(summary)
        assert record.arcs[sources_digest()] == {"log.py": {(1, 2), (2, 3)}}
    lines = path.read_text().splitlines()[-3:]
    assert ['"arcs":{"log.py":[[1,2]]}' in lines[0], '"arcs":{"log.py":[[2,3]]}' in lines[1]] == [True, True]
    assert '"log.py"' not in lines[2]
    with opened(path) as record:
        assert record.arcs[sources_digest()] == {"log.py": {(1, 2), (2, 3)}}

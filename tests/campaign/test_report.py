"""The report: one file, everything in it, nothing loaded, text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from campaign.crews import all_well, failing
from quorate.campaign.charts import Moment, seeds_over_time, shares
from quorate.campaign.chunk import Chunk, run
from quorate.campaign.page import Html, element, joined
from quorate.campaign.record import Record
from quorate.campaign.report import Subject, moments_of, noticed_of, render, write_report
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Met

SUBJECT = Subject(sources_digest(), {"mute": "replica", "big-mac": "client"}, "It was stopped.")
SELECTION = Selection()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path / "results.jsonl")
    yield record
    record.close()


def test_a_failure_stands_there_with_its_command(record: Record) -> None:
    record.append(failing(7)(Chunk(SELECTION, Seeds(0, 10), 1.0)))
    page = render(record, SUBJECT)
    assert "1 of 10 seeds broke a rule" in page
    assert "quorate sim --seed 7 --profile calm --replicas 4 --trace" in page
    assert "replica 1 &lt;b&gt;committed&lt;/b&gt; 12 &amp; 7" in page
    assert "It was stopped." in page


def test_strategies_that_nobody_met_are_named(record: Record) -> None:
    summary = all_well(Chunk(SELECTION, Seeds(0, 10), 1.0))
    summary.strategies["mute"] = Met(3, 2, {"Prepare: at or below the low watermark": 2, "Commit: forged": 1})
    summary.innocent = {"Prepare: at or below the low watermark": 9}
    record.append(summary)
    page = render(record, SUBJECT)
    assert page.count("never met") == 1
    assert "Commit: forged (50%)" in page
    assert "10 seeds, no rule broken" in page
    assert noticed_of(summary.strategies["mute"], summary.innocent) == "Commit: forged (50%)"


def test_an_observed_campaign_shows_branches_and_the_judge(record: Record) -> None:
    record.append(run(Chunk(Selection("calm", (4,)), Seeds(0, 1), 1.0, is_sample=True)))
    page = render(record, SUBJECT)
    assert "view_change.py" in page
    assert "Branches that no sampled seed took" in page
    assert "traced executed" in page


def test_other_sources_are_listed_but_not_counted(record: Record) -> None:
    other = failing(3)(Chunk(SELECTION, Seeds(0, 10), 1.0))
    other.sources, other.version = "0123456789abcdef", "0.0.9"
    record.append(other)
    record.append(all_well(Chunk(SELECTION, Seeds(0, 5), 1.0)))
    page = render(record, SUBJECT)
    assert "5 seeds, no rule broken" in page
    assert "0123456789abcdef" in page
    assert "15 seeds in all" in page


def test_an_empty_campaign_has_a_report(record: Record) -> None:
    assert "0 seeds, no rule broken" in render(record, SUBJECT)


def test_the_page_stands_alone(record: Record, tmp_path: Path) -> None:
    record.append(failing(7)(Chunk(SELECTION, Seeds(0, 10), 1.0)))
    write_report(tmp_path / "report.html", record, SUBJECT)
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|//|<script|<link|<img|src=|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == ["report.html"]
    ElementTree.fromstring(page.partition("<body>")[2].partition("</body>")[0].join(["<body>", "</body>"]))


def test_times_in_which_nothing_ran_are_left_out() -> None:
    summaries = [all_well(Chunk(SELECTION, Seeds(at, at + 1), 1.0)) for at in range(3)]
    for summary, finished in zip(summaries, (1000.0, 1010.0, 90_000.0), strict=True):
        summary.finished, summary.elapsed = finished, 5.0
    assert moments_of(summaries) == [Moment(5.0, 1, 0), Moment(15.0, 2, 0), Moment(20.0, 3, 0)]


@pytest.mark.parametrize("count", [1, 2, 5000])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 1e6])
def test_pictures_are_whole_and_small(count: int, seconds: float) -> None:
    picture = seeds_over_time([Moment(seconds * at / count, 3 * at, at // 400) for at in range(1, count + 1)])
    ElementTree.fromstring(picture)
    assert len(picture) < 60_000
    ElementTree.fromstring(shares([("a<b.py", 1, 3), ("c.py", 0, 0)]))


def test_text_is_escaped_once() -> None:
    assert element("b", "<", joined("&", Html("<i>"))) == "<b>&lt;&amp;<i></b>"

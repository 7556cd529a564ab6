"""The report of a campaign: one HTML file that loads nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from quorate.campaign.charts import Moment, seeds_over_time, shares
from quorate.campaign.observation import FileBranches, branches_of
from quorate.campaign.page import Column, Html, element, folded, joined, page, section, table
from quorate.campaign.record import Record
from quorate.campaign.summary import Cell, Counts, Failure, Met, Summary, Tally

_PAUSE_SECONDS: Final = 300.0
"""When nothing came for so long the campaign was not running."""
_FAILURES_MAX: Final = 200
_NOTICED_MAX: Final = 3
_REFUSALS_MAX: Final = 60


class Subject(NamedTuple):
    """What a report is about."""

    sources: str
    """The digest of the sources whose seeds the figures are of; others are only listed."""
    strategies: Mapping[str, str]
    """Every strategy that there is, and whose: those that were never met are said too."""
    remark: str = ""
    """How the campaign ended, when it was not by having run everything."""


def write_report(path: Path, record: Record, subject: Subject) -> None:
    """Make the report anew, whole or not at all."""
    partial = path.with_suffix(".html.new")
    partial.write_text(render(record, subject), encoding="utf-8")
    os.replace(partial, path)


def render(record: Record, subject: Subject) -> str:
    """The report as a page."""
    summaries = [summary for summary in record.summaries if summary.sources == subject.sources]
    tally = record.tally(lambda summary: summary.sources == subject.sources)
    branches = branches_of(record.arcs.get(subject.sources, {}))
    total = tally.total()
    parts = [
        _head(summaries, total, subject),
        _cards(total, tally, branches, subject),
        _failures(tally.failures),
        section("Seeds over time", seeds_over_time(moments_of(summaries))) if summaries else "",
        _profiles(tally.cells),
        _strategies(tally, subject.strategies),
        _branches(branches, tally.sampled),
        _checks(tally, total.seeds),
        _faults(tally),
        _refusals(tally),
        _all_sources(record, subject),
    ]
    return page("Quorate: campaign", *parts)


def moments_of(summaries: Sequence[Summary]) -> list[Moment]:
    """How the campaign went on; times in which it did not run are left out."""
    moments: list[Moment] = []
    seconds, seeds, failed, before = 0.0, 0, 0, None
    for summary in sorted(summaries, key=lambda summary: summary.finished):
        gap = summary.elapsed if before is None else summary.finished - before
        seconds += gap if gap <= _PAUSE_SECONDS else summary.elapsed
        before = summary.finished
        seeds += len(summary.seeds)
        failed += len(summary.failures)
        moments.append(Moment(seconds, seeds, failed))
    return moments


# -------------------------------------------------------------------------------------------------- parts


def _head(summaries: Sequence[Summary], total: Cell, subject: Subject) -> Html:
    verdict = (
        element("span", f"{total.failed:,} of {total.seeds:,} seeds broke a rule", css="bad verdict")
        if total.failed
        else element("span", f"{total.seeds:,} seeds, no rule broken", css="good verdict")
    )
    ran = [f"sources {subject.sources}"]
    if summaries:
        first, last = min(_begun(s) for s in summaries), max(s.finished for s in summaries)
        ran = [f"Quorate {summaries[-1].version}", *ran, f"{_day(first)} to {_day(last)} UTC"]
    remark = element("p", subject.remark) if subject.remark else ""
    return joined(element("h1", "Campaign"), element("p", ", ".join(ran), css="soft"), element("p", verdict), remark)


def _begun(summary: Summary) -> float:
    return summary.finished - summary.elapsed


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _cards(total: Cell, tally: Tally, branches: Sequence[FileBranches], subject: Subject) -> Html:
    taken, whole = sum(entry.taken for entry in branches), sum(entry.total for entry in branches)
    met = sum(name in tally.strategies for name in subject.strategies)
    figures = [
        (f"{total.seeds:,}", "seeds"),
        (f"{total.virtual_time / 3.6e9:,.2f}", "simulated hours"),
        (f"{total.messages:,}", "messages delivered"),
        (f"{total.views:,}", f"views left; up to {total.highest_view} in a seed"),
        (f"{total.executed:,}", "sequence numbers executed"),
        (f"{total.completed:,}", "requests answered"),
        (f"{met} of {len(subject.strategies)}", "strategies met"),
        (f"{taken / whole:.1%}" if whole else "not observed", "of the core's branches"),
        (f"{total.seconds / 3600:,.2f}", "hours of processor time"),
    ]
    return element(
        "div", *(element("div", element("b", a), element("span", b), css="card") for a, b in figures), css="cards"
    )


def _failures(failures: Sequence[Failure]) -> Html:
    if not failures:
        return section("Failures", element("p", "None."))
    parts = []
    for failure in sorted(failures, key=lambda failure: (failure.rule, failure.seed))[:_FAILURES_MAX]:
        title = f"seed {failure.seed}, profile {failure.profile}, {failure.replicas} replicas: {failure.rule}"
        parts.append(element("p", element("b", title, css="bad"), Html("<br/>"), f"Liars: {failure.liars}."))
        parts.append(element("pre", f"{failure.text}\n\n{failure.command}"))
    rest = len(failures) - _FAILURES_MAX
    if rest > 0:
        parts.append(element("p", f"And {rest:,} more: all are in the results file."))
    return section("Failures", *parts)


def _profiles(cells: Sequence[Cell]) -> Html:
    columns = [Column("profile"), Column("replicas", True), Column("seeds", True), Column("failed", True)]
    columns += [Column("messages", True), Column("simulated hours", True), Column("highest view", True)]
    columns += [Column("seeds a second and core", True), Column("messages a second and core", True)]
    rows = [
        (
            cell.profile,
            cell.replicas,
            f"{cell.seeds:,}",
            element("b", f"{cell.failed:,}", css="bad") if cell.failed else "0",
            f"{cell.messages:,}",
            f"{cell.virtual_time / 3.6e9:.2f}",
            cell.highest_view,
            f"{cell.seeds / max(cell.seconds, 1e-9):.2f}",
            f"{cell.messages / max(cell.seconds, 1e-9):,.0f}",
        )
        for cell in sorted(cells, key=lambda cell: (cell.profile, cell.replicas))
    ]
    return section("Profiles and sizes", table(columns, rows))


def _strategies(tally: Tally, strategies: Mapping[str, str]) -> Html:
    columns = [Column("strategy"), Column("whose"), Column("seeds", True), Column("the only lie in", True)]
    columns += [Column("what correct replicas noticed of it then")]
    rows = []
    for name in sorted({*strategies, *tally.strategies}, key=lambda name: (strategies.get(name, ""), name)):
        met = tally.strategies.get(name, Met())
        seeds: object = f"{met.seeds:,}" if met.seeds else element("b", "never met", css="bad")
        rows.append((name, strategies.get(name, ""), seeds, f"{met.alone:,}", noticed_of(met, tally.innocent)))
    note = (
        "Where a strategy was the only lie of a seed: what correct replicas refused there, most frequent first, and in "
        "how many of those seeds. What they also refuse where nobody lies proves nothing and is left out. Being "
        "silent, slow or merely inconsistent towards different receivers leaves nothing to refuse."
    )
    return section("Strategies", element("p", note, css="soft"), table(columns, rows))


def noticed_of(met: Met, innocent: Counts) -> str:
    """The reasons for which correct replicas refused what a strategy made, for people."""
    reasons = [(count, reason) for reason, count in met.noticed.items() if reason not in innocent]
    reasons.sort(key=lambda entry: (-entry[0], entry[1]))
    return "; ".join(f"{reason} ({count / met.alone:.0%})" for count, reason in reasons[:_NOTICED_MAX])


def _branches(branches: Sequence[FileBranches], sampled: int) -> Html:
    if not branches:
        return section("Branches of the core", element("p", "Not observed: the package `coverage` is not installed."))
    note = (
        f"Which ways execution took in src/quorate/core, in a sample of {sampled:,} seeds. A branch is a way out of a "
        "line that has several."
    )
    rows = [
        (entry.file, "; ".join(_jump(*untaken) for untaken in entry.untaken)) for entry in branches if entry.untaken
    ]
    return section(
        "Branches of the core",
        element("p", note, css="soft"),
        shares([(entry.file, entry.taken, entry.total) for entry in branches]),
        folded("Branches that no sampled seed took", table([Column("file"), Column("lines")], rows)),
    )


def _jump(start: int, end: int) -> str:
    return f"{start} to {end}" if end > 0 else f"{start} to the end"


def _checks(tally: Tally, seeds: int) -> Html:
    if not tally.sampled:
        return Html("")
    looks = sum(tally.checks.values())
    note = (
        f"What the judge was shown in the {tally.sampled:,} sampled seeds: {looks:,} looks, "
        f"so about {looks * seeds // tally.sampled:,} in all seeds. A rule that is never looked at proves nothing."
    )
    return section("The judge", element("p", note, css="soft"), _counts("shown", tally.checks))


def _faults(tally: Tally) -> Html:
    seeds = "in so many seeds"
    return section("Networks and faults", _counts(seeds, tally.networks), _counts(seeds, tally.faults))


def _refusals(tally: Tally) -> Html:
    shown = dict(sorted(tally.refusals.items(), key=lambda entry: -entry[1])[:_REFUSALS_MAX])
    return section("Refused by correct replicas", folded("Message and reason, most frequent first", _counts("", shown)))


def _counts(title: str, counts: Counts) -> Html:
    rows = [(name, f"{count:,}") for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]
    return table([Column(title), Column("count", True)], rows, css="wide narrow")


def _all_sources(record: Record, subject: Subject) -> Html:
    """What the file holds of each state of the sources, the latest last."""
    rows = []
    for sources in dict.fromkeys(summary.sources for summary in record.summaries):
        mine = [summary for summary in record.summaries if summary.sources == sources]
        seeds, failed = sum(len(s.seeds) for s in mine), sum(len(s.failures) for s in mine)
        name = element("b", sources) if sources == subject.sources else sources
        rows.append((name, mine[-1].version, _day(mine[-1].finished), f"{seeds:,}", f"{failed:,}"))
    columns = [Column("sources"), Column("version"), Column("until"), Column("seeds", True), Column("failed", True)]
    seeds = sum(len(summary.seeds) for summary in record.summaries)
    note = f"{seeds:,} seeds in all. The figures above are of the sources in bold type alone."
    return section("All sources in this file", element("p", note, css="soft"), table(columns, rows))

"""The tables of a run: for people in a terminal, and in Markdown for the docs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from benchmarks.results import Results
from benchmarks.summary import NOISE_LIMIT, Spread, Summary

_NONE = "-"
_DISTURBED = "*"


class Table(NamedTuple):
    """Cells of text; the first column holds names, the others numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def tables(results: Results) -> list[Table]:
    """Ratios first, then the figures that they come from."""
    ratios = [_ratios(results, system) for system in results.ours]
    figures = [_figures(results, workload) for workload in results.workloads]
    return [table for table in [*ratios, *figures] if table.rows]


def notes(results: Results) -> list[str]:
    """What a reader has to know besides."""
    machine = results.machine
    lines = [
        f"Measured {machine['date']} at commit {machine['commit']}: {machine['processors']} processors "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}; "
        f"fdatasync takes {machine['fdatasync_ms']} ms; load average at the start {machine['load_average']:.2f}.",
        f"{results.repetitions} repetitions of {results.seconds:g} s, the systems in turn; medians, and in brackets "
        "the extremes of the repetitions. Processor time is for one operation: of all processes together, with the "
        "load's, and of one process of each role. `batch` is the mean number of operations in a batch of the log.",
    ]
    if any(summary.is_disturbed for summary in results.summaries):
        lines.append(
            f"{_DISTURBED} Other programs used more than {NOISE_LIMIT:.0%} of the machine meanwhile: measure again "
            "when it is quiet."
        )
    if any(summary.system.startswith("pysyncobj") for summary in results.summaries):
        lines.append("PySyncObj is a library: the process that makes its load is its leader too.")
    if any(summary.failures for summary in results.summaries):
        lines.append("Some answers were wrong or missing: see the column `wrong`.")
    titles = results.titles
    for skipped in results.skipped:
        where = titles[skipped.system] + (f", {titles[skipped.workload]}" if skipped.workload else "")
        lines.append(f"Not measured: {where}: {skipped.reason}")
    return lines


def _ratios(results: Results, system: str) -> Table:
    """One row a workload: how many times each other system's throughput *system* has."""
    others = [name for name in results.systems if name != system and name not in results.ours]
    rows = []
    for workload in results.workloads:
        cells = [results.ratio_text(system, other, workload) for other in others]
        if any(cell != _NONE for cell in cells):
            rows.append([results.titles[workload], *cells])
    columns = ["throughput in units of", *(results.titles[other] for other in others)]
    return Table(results.titles[system], columns, rows)


def _figures(results: Results, workload: str) -> Table:
    """One row a system."""
    chosen = [summary for summary in results.summaries if summary.workload == workload]
    columns = [
        "system",
        "operations/s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "p99.9 ms",
        "processor us",
        "of one process",
        "batch",
    ]
    has_failures = any(summary.failures for summary in chosen)
    rows = [_row(results, summary) + ([str(summary.failures)] if has_failures else []) for summary in chosen]
    return Table(results.titles[workload], columns + (["wrong"] if has_failures else []), rows)


def _row(results: Results, summary: Summary) -> list[str]:
    name = results.titles[summary.system] + (f" ({summary.setting})" if summary.setting else "")
    roles = ", ".join(f"{role} {used:.1f}" for role, used in summary.processor_microseconds.items())
    batch = summary.operations_in_batch
    return [
        name,
        _rate(summary.throughput) + (_DISTURBED if summary.is_disturbed else ""),
        *(_milliseconds(summary.latency.get(each)) for each in ("p50", "p90", "p99", "p99.9")),
        f"{summary.processor_microseconds_in_all:.1f}",
        roles,
        _NONE if batch is None else f"{batch:.1f}",
    ]


def _rate(value: Spread) -> str:
    return f"{value.median:,.0f} ({value.low:,.0f} to {value.high:,.0f})"


def _milliseconds(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{1000 * seconds:.2f}"


def print_tables(results: Results, console: Console) -> None:
    """For people."""
    for table in tables(results):
        shown = RichTable(title=escape(table.title), title_justify="left", title_style="bold", box=None, pad_edge=False)
        for number, column in enumerate(table.columns):
            shown.add_column(escape(column), justify="right" if number else "left", no_wrap=len(table.columns) < 6)
        for row in table.rows:
            shown.add_row(*map(escape, row))
        console.print(shown)
        console.print()
    for line in notes(results):
        console.print(line, markup=False, highlight=False)


def markdown(results: Results) -> str:
    """For the docs."""
    parts = []
    for table in tables(results):
        parts.append(f"### {table.title}\n\n{_markdown_table(table)}")
    return "\n\n".join([*parts, *notes(results)]) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---", *("---:" for _ in table.columns[1:])]
    rows: Sequence[Sequence[str]] = [table.columns, rule, *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

"""The tables of a run: for people in a terminal, and in Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from benchmarks.attacks import WANTED_SHARE
from benchmarks.figures import rows as figure_rows
from benchmarks.parts import ALL_ON, SWITCHES_PART, without_of
from benchmarks.results import Comparison, Results, text_of
from benchmarks.summary import NOISE_LIMIT, Spread, Summary, latency_ratio
from benchmarks.switches import SWITCHES

_NONE = "-"
_DISTURBED = "*"


class Table(NamedTuple):
    """Cells of text; the first column holds names, the others numbers or words."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def tables(results: Results) -> list[Table]:
    """Ratios first, then the figures that they come from, part by part."""
    found = [table for each in results.comparisons for table in _of_comparison(each)]
    found += [_outages(results), _attacks(results), _looks(results)]
    return [table for table in found if table.rows]


def _of_comparison(comparison: Comparison) -> Iterator[Table]:
    if comparison.name == SWITCHES_PART.name:
        yield _switches(comparison)
    else:
        yield from (_ratios(comparison, system) for system in comparison.ours)
    yield from (_figures(comparison, workload) for workload in comparison.workloads)


def figures_table(results: Results) -> Table:
    """The figures to reach."""
    rows = [[row.what, row.asked, row.measured, row.verdict.value] for row in figure_rows(results)]
    return Table("Figures to reach", ["what", "asked", "measured in this run", "verdict"], rows)


def notes(results: Results) -> list[str]:
    """What a reader has to know besides."""
    machine = results.machine
    efforts = "; ".join(f"{each.title}: {each.repetitions} of {each.seconds:g} s" for each in results.comparisons)
    lines = [
        f"Measured {machine['date']} at commit {machine['commit']}, in the {results.form} form: "
        f"{machine['processors']} processors ({machine['processor']}), {machine['system']}, Python "
        f"{machine['python']}; fdatasync takes {machine['fdatasync_ms']} ms; load average at the start "
        f"{machine['load_average']:.2f}.",
        f"Repetitions, the systems in turn: {efforts or 'none'}. Throughputs and ratios are medians of the "
        "repetitions, in brackets their extremes. Latencies are percentiles of all samples together, by HDR histogram "
        "to three digits; in an open loop they count from the moment at which the operation was to be sent. Processor "
        "time is for one operation: of all processes together, with the load's, and of one process of each role. "
        "`batch` is the mean number of operations in a batch of the log.",
    ]
    summaries = [summary for each in results.comparisons for summary in each.summaries]
    if any(summary.is_disturbed for summary in summaries):
        lines.append(
            f"{_DISTURBED} Other programs used more than {NOISE_LIMIT:.0%} of the machine meanwhile: measure again "
            "when it is quiet."
        )
    if any(summary.system.startswith("pysyncobj") for summary in summaries):
        lines.append("PySyncObj is a library: the process that makes its load is its leader too.")
    if any(summary.failures for summary in summaries):
        lines.append("Some answers were wrong or missing: see the column `wrong`.")
    titles = {name: title for each in results.comparisons for name, title in each.titles.items()}
    for skipped in results.all_skipped:
        system = titles.get(skipped.system, skipped.system)
        where = system + (f", {titles[skipped.workload]}" if skipped.workload else "")
        lines.append(f"Not measured: {where}: {skipped.reason}")
    return lines


def _ratios(comparison: Comparison, system: str) -> Table:
    """One row a workload: how many times each other system's throughput *system* has."""
    others = [name for name in comparison.systems if name != system and name not in comparison.ours]
    rows = []
    for workload in comparison.workloads:
        cells = [comparison.ratio_text(system, other, workload) for other in others]
        if any(cell != _NONE for cell in cells):
            rows.append([comparison.titles[workload], *cells])
    columns = ["throughput in units of", *(comparison.titles[other] for other in others)]
    return Table(comparison.titles[system], columns, rows)


def _switches(comparison: Comparison) -> Table:
    """One row an optimisation: what all of them bring, in units of all but this one."""
    columns = ["with it, in units of without"]
    for workload in comparison.workloads:
        columns += [f"{comparison.titles[workload]}: throughput", "p50"]
    rows = []
    for switch in SWITCHES:
        off, cells = without_of(ALL_ON.name, switch.name), []
        for workload in comparison.workloads:
            own, other = (ALL_ON.name, workload), (off, workload)
            latency = latency_ratio(comparison.measurements, own, other, "p50")
            cells += [comparison.ratio_text(ALL_ON.name, off, workload), text_of(latency) if latency else _NONE]
        if any(cell != _NONE for cell in cells):
            rows.append([switch.title, *cells])
    return Table(comparison.title.capitalize(), columns, rows)


def _figures(comparison: Comparison, workload: str) -> Table:
    """One row a system."""
    chosen = [summary for summary in comparison.summaries if summary.workload == workload]
    columns = ["system", "operations/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "processor us", "of one process"]
    columns.append("batch")
    has_bytes = any(summary.bytes_sent for summary in chosen)
    has_failures = any(summary.failures for summary in chosen)
    rows = []
    for summary in chosen:
        row = _row(comparison, summary)
        row += [_bytes(summary.bytes_sent), _bytes(summary.bytes_received)] if has_bytes else []
        row += [str(summary.failures)] if has_failures else []
        rows.append(row)
    columns += ["bytes sent", "bytes received"] if has_bytes else []
    columns += ["wrong"] if has_failures else []
    return Table(f"{comparison.title}: {comparison.titles[workload]}", columns, rows)


def _row(comparison: Comparison, summary: Summary) -> list[str]:
    name = comparison.titles[summary.system] + (f" ({summary.setting})" if summary.setting else "")
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


def _bytes(by_role: dict[str, float]) -> str:
    return ", ".join(f"{role} {count:,.0f}" for role, count in by_role.items()) or _NONE


def _rate(value: Spread) -> str:
    return f"{value.median:,.0f} ({value.low:,.0f} to {value.high:,.0f})"


def _milliseconds(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{1000 * seconds:.2f}"


def _outages(results: Results) -> Table:
    columns = ["the primary is killed", "operations/s before", "time-out ms", "first reply ms", "back to 95 % after ms"]
    rows = [
        [
            f"run {number}",
            f"{each.rate_before:,.0f}" + (_DISTURBED if each.others_share > NOISE_LIMIT else ""),
            str(each.timeout_ms),
            f"{each.silent_ms:,.0f}",
            "not within the time" if each.back_ms is None else f"{each.back_ms:,.0f}",
        ]
        for number, each in enumerate(results.outages, 1)
    ]
    return Table("The primary is killed under load", columns, rows)


def _attacks(results: Results) -> Table:
    attacks = results.attacks
    columns = ["attack", "row", "operations/s", "n - f replicas alone", "share of that", f"at least {WANTED_SHARE:.0%}"]
    columns += ["p50 ms", "p99 ms", "view in the end", "processors used by the attacker"]
    rows = []
    for each in attacks.outcomes if attacks else []:
        rows.append(
            [
                each.attack,
                each.row,
                f"{each.throughput:,.0f}" + (_DISTURBED if each.others_share > NOISE_LIMIT else ""),
                f"{each.without_faulty:,.0f}",
                f"{each.share:.0%}",
                "yes" if each.share >= WANTED_SHARE else "no",
                _milliseconds(each.latency.get("p50")),
                _milliseconds(each.latency.get("p99")),
                str(each.views),
                f"{each.attacker_share:.0%}",
            ]
        )
    quiet = f" (all n, when nobody attacks: {attacks.without_attack:,.0f} a second)" if attacks else ""
    return Table(f"Under attack, with a flooding client{quiet}", columns, rows)


def _looks(results: Results) -> Table:
    columns = ["operations", "memory of a replica since the row before, at most, MB", "its files, at most, MB"]
    looks, step = results.looks, max(1, len(results.looks) // 10)
    groups = [looks[max(0, end - step) : end] for end in range(len(looks), 0, -step)]
    rows = [
        [
            f"{group[-1].operations:,}",
            f"{max(look.memory_bytes for look in group) / 1e6:.1f}",
            f"{max(look.disk_bytes for look in group) / 1e6:.1f}",
        ]
        for group in reversed(groups)
    ]
    return Table("Memory and disk", columns, rows)


def print_tables(results: Results, console: Console) -> None:
    """For people: the figures to reach at the end, where they are read."""
    for table in tables(results):
        _print(table, console, has_numbers=True)
    for line in notes(results):
        console.print(line, markup=False, highlight=False)
    console.print()
    _print(figures_table(results), console, has_numbers=False)


def _print(table: Table, console: Console, *, has_numbers: bool) -> None:
    shown = RichTable(title=escape(table.title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(table.columns):
        is_number = has_numbers and number > 0
        shown.add_column(
            escape(column), justify="right" if is_number else "left", no_wrap=is_number and len(table.columns) < 6
        )
    for row in table.rows:
        shown.add_row(*map(escape, row))
    console.print(shown)
    console.print()


def figures_markdown(results: Results) -> str:
    """The figures to reach, for the docs."""
    table = figures_table(results)
    return f"## {table.title}\n\n{_markdown_table(table, '---')}"


def markdown(results: Results) -> str:
    """For the docs."""
    parts = ["## All tables"]
    for table in tables(results):
        parts.append(f"### {table.title}\n\n{_markdown_table(table)}")
    return "\n\n".join([*parts, *notes(results)]) + "\n"


def _markdown_table(table: Table, rule: str = "---:") -> str:
    rules = ["---", *(rule for _ in table.columns[1:])]
    rows: Sequence[Sequence[str]] = [table.columns, rules, *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

"""The command line of the suite."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine, report
from benchmarks.catalogue import OURS, SYSTEMS
from benchmarks.plan import FULL, SHORT, WORKLOADS, Effort, choose
from benchmarks.results import Results, all_ratios, all_summaries
from benchmarks.runner import Plan, Runner

_WORKLOADS = {workload.name: workload for workload in WORKLOADS}
_WIDTH_WITHOUT_TERMINAL = 200
_REFRESHES_A_SECOND = 2
"""The progress bar is drawn seldom: it runs on the processors that are measured."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--short/--full", "is_short", default=True, help="A few minutes, or most of an hour.  [default: short]")
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this system or workload; may be repeated.")
@click.option("--list", "is_listing", is_flag=True, help="Show the names of systems and workloads, and do nothing.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all measurements there."
)
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables there."
)
@click.option("--repetitions", type=click.IntRange(1), help="Measure everything so often.")
@click.option("--seconds", type=click.FloatRange(0.1), help="What one measurement lasts.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/var/tmp"),
    show_default=True,
    help="Where systems keep their files meanwhile; a disk that syncs, for etcd's figures to mean something.",
)
def main(
    is_short: bool,
    names: tuple[str, ...],
    is_listing: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    repetitions: int | None,
    seconds: float | None,
    directory: Path,
) -> None:
    """Measure Quorate beside its peers on this machine: the same work, in turn, in one run.

    A peer that is not installed is left out and named. Everything runs on 127.0.0.1, on free ports and in temporary
    folders, and is stopped at the end; servers that run already are not touched.

    \b
    Examples:
      python -m benchmarks                                       everything, in a few minutes
      python -m benchmarks --only quorate --only etcd            these two
      python -m benchmarks --only quorate --only c64 --seconds 5
      python -m benchmarks --full --json full.json --markdown full.md

    Exit codes: 0 all was measured; 1 something could not be; 2 an option is wrong.
    """
    if is_listing:
        _list()
        return
    try:
        systems, workloads = choose(names, list(SYSTEMS), list(_WORKLOADS))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    for file, option in ((json_file, "--json"), (markdown_file, "--markdown")):
        if file is not None and not file.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {file.absolute().parent}: make it first", param_hint=option)
    effort = _effort(SHORT if is_short else FULL, repetitions, seconds)
    plan = Plan([SYSTEMS[name] for name in systems], [_WORKLOADS[name] for name in workloads], effort)
    results = _run(plan, directory)
    report.print_tables(results, _console())
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    if markdown_file is not None:
        markdown_file.write_text(report.markdown(results))
    sys.exit(1 if results.skipped else 0)


def _list() -> None:
    click.echo("systems:")
    for system in SYSTEMS.values():
        click.echo(f"  {system.name:20} {system.title}")
    click.echo("workloads:")
    for workload in WORKLOADS:
        click.echo(f"  {workload.name:20} {workload.title}")


def _effort(effort: Effort, repetitions: int | None, seconds: float | None) -> Effort:
    """The effort with what the command line changes of it; shorter measurements warm up for less, too."""
    if repetitions is not None:
        effort = dataclasses.replace(effort, repetitions=repetitions)
    if seconds is not None:
        effort = dataclasses.replace(
            effort,
            seconds=seconds,
            warm_up=min(effort.warm_up, seconds / 2),
            tuning_seconds=min(effort.tuning_seconds, seconds),
        )
    return effort


def _run(plan: Plan, directory: Path) -> Results:
    """Measure, with a progress bar on standard error."""
    description = machine.describe(directory)
    with _stopped_by_signals(), _progress() as progress:
        task = progress.add_task("", total=plan.steps)

        def tell(what: str, steps_behind: int) -> None:
            if progress.console.is_terminal:
                progress.update(task, description=what, completed=steps_behind)
            else:
                progress.console.print(f"{steps_behind}/{plan.steps} {what}", markup=False, highlight=False)

        def warn(what: str) -> None:
            progress.console.print(what, style="bold red", markup=False, highlight=False)

        runner = Runner(plan, directory, tell, warn)
        try:
            runner.run()
        except KeyboardInterrupt:
            raise click.Abort from None
        progress.update(task, description="done", completed=plan.steps)
    return _results(plan, runner, description)


def _results(plan: Plan, runner: Runner, description: dict[str, str | int | float]) -> Results:
    systems = [system.name for system in plan.systems]
    ours = [system.name for system in OURS if system.name in systems]
    workloads = [workload.name for workload in plan.workloads]
    return Results(
        machine=description,
        repetitions=plan.effort.repetitions,
        seconds=plan.effort.seconds,
        systems=systems,
        ours=ours,
        workloads=workloads,
        titles={each.name: each.title for each in plan.systems} | {each.name: each.title for each in plan.workloads},
        ratios=all_ratios(runner.measurements, ours, systems, workloads),
        summaries=all_summaries(runner.measurements, systems, workloads),
        skipped=runner.skipped,
        measurements=runner.measurements,
        trials=runner.trials,
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.completed}/{task.total}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        refresh_per_second=_REFRESHES_A_SECOND,
    )


def _console() -> Console:
    """Standard output. Without a terminal a table is as wide as it needs to be."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP stop the suite as Ctrl-C does: with everything that it started."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

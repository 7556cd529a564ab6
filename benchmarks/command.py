"""The command line of the suite."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import document, report
from benchmarks.parts import PARTS, Form
from benchmarks.processes import ROOT
from benchmarks.results import Results
from benchmarks.session import NAMES, OTHERS, Choice, Session, names_in

_WIDTH_WITHOUT_TERMINAL = 200
_REFRESHES_A_SECOND = 2
"""The progress bar is drawn seldom: it runs on the processors that are measured."""
_OUTPUT = ROOT / "build" / "benchmark"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--short/--full", "is_short", default=True, help="Ten minutes, or some hours.  [default: short]")
@click.option(
    "--only", "names", multiple=True, metavar="NAME", help="Only this part, system or workload; may be repeated."
)
@click.option("--list", "is_listing", is_flag=True, help="Show the names of parts, systems and workloads.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all measurements there."
)
@click.option(
    "--from",
    "old_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measure nothing: take what --json wrote.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=_OUTPUT,
    help="The folder for PERFORMANCE.md and its pictures: docs for the documents.  [default: build/benchmark]",
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
    old_file: Path | None,
    output: Path,
    repetitions: int | None,
    seconds: float | None,
    directory: Path,
) -> None:
    """Measure Quorate beside its peers on this machine: the same work, in turn, in one run.

    A peer that is not installed is left out and named. Everything runs on 127.0.0.1 or in network namespaces of its
    own, on free ports and in temporary folders, and is stopped at the end; servers that run already are not touched.
    At the end a table holds what was measured against the figures that are to be reached.

    \b
    Examples:
      python -m benchmarks                                       everything, in ten minutes
      python -m benchmarks --only quorate-macs --only etcd       these two, beside each other
      python -m benchmarks --only links --only switches          these parts
      python -m benchmarks --only quorate --only c64 --seconds 5
      python -m benchmarks --full --json full.json --output docs

    Exit codes: 0 all was measured; 1 something could not be; 2 an option is wrong.
    """
    if is_listing:
        _list()
        return
    choice = Choice(Form.SHORT if is_short else Form.FULL, names, repetitions, seconds)
    if old_file is None:
        _check(choice)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {json_file.absolute().parent}: make it first", param_hint="--json"
        )
    results = _read(old_file) if old_file is not None else _run(choice, directory)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    report.print_tables(results, _console())
    page = document.write(results, output)
    click.echo(f"written: {page}")
    sys.exit(1 if results.all_skipped else 0)


def _check(choice: Choice) -> None:
    known = set(NAMES).union(*map(names_in, PARTS))
    unknown = sorted(set(choice.names) - known)
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is no part, system or workload; --list shows them", param_hint="--only"
        )
    if not choice.steps:
        raise click.BadParameter(
            f"no part has all of {', '.join(choice.names)}; --list shows them", param_hint="--only"
        )


def _read(file: Path) -> Results:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise click.BadParameter(
            f"{file} is not what this version's --json writes: {error}", param_hint="--from"
        ) from error


def _list() -> None:
    for part in PARTS:
        click.echo(f"{part.name}: {part.title}")
        for system in part.systems:
            click.echo(f"  system    {system.name:28} {system.title}")
        for workload in part.workloads:
            click.echo(f"  workload  {workload.name:28} {workload.title}")
    for name, title in OTHERS.items():
        click.echo(f"{name}: {title}")


def _run(choice: Choice, directory: Path) -> Results:
    """Measure, with a progress bar on standard error."""
    with _stopped_by_signals(), _progress() as progress:
        steps = choice.steps
        task = progress.add_task("", total=steps)

        def tell(what: str, steps_behind: int) -> None:
            if progress.console.is_terminal:
                progress.update(task, description=what, completed=steps_behind)
            else:
                progress.console.print(f"{steps_behind}/{steps} {what}", markup=False, highlight=False, soft_wrap=True)

        def warn(what: str) -> None:
            progress.console.print(what, style="bold red", markup=False, highlight=False)

        try:
            results = Session(choice, directory, tell, warn).run()
        except KeyboardInterrupt:
            raise click.Abort from None
        progress.update(task, description="done", completed=steps)
    return results


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

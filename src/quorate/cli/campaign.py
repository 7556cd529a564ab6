"""`quorate campaign`: very many seeds of the simulator, on all cores or on a Dask cluster, and a report."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quorate.adversary.registry import CLIENT_STRATEGIES, REPLICA_STRATEGIES
from quorate.campaign.crew import assemble, cores
from quorate.campaign.record import REPORT, RESULTS, Record
from quorate.campaign.report import Subject, write_report
from quorate.campaign.runner import Runner
from quorate.campaign.selection import Seeds, Selection, missing
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Failure, Summary, Tally
from quorate.cli.output import counted, print_json, say
from quorate.errors import ConfigurationError
from quorate.sim.explore import names_in
from quorate.sim.profiles import MIXED, PROFILES
from quorate.sim.switches import OFF

STRATEGIES: Final = {
    **dict.fromkeys(REPLICA_STRATEGIES, "replica"),
    **dict.fromkeys(CLIENT_STRATEGIES, "client"),
}
_REPORT_SECONDS: Final = 60.0
"""How often the report is made anew while seeds are run."""


@click.command()
@click.option("--seeds", default="0:100000", show_default=True, metavar="A:B", help="From A up to, not including, B.")
@click.option("--profile", default=MIXED, show_default=True, help=f"All in turn, or one of {', '.join(PROFILES)}.")
@click.option("--replicas", default="4,7,10", show_default=True, metavar="N,...", help="Sizes of clusters, in turn.")
@click.option("--strategies", default="", metavar="NAME,...", help="How every traitor lies.  [default: by the seed]")
@click.option("--service", default="", help="redis, counter, or your own, as module:Class.  [default: registers]")
@click.option("--without", default="", metavar="NAME,...", help=f"Switches that are off: {', '.join(OFF)}.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler.  [default: one on this machine]")
@click.option("--jobs", type=click.IntRange(min=1), help="Workers on this machine.  [default: one a core]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("quorate-data-campaign"),
    show_default=True,
    help="The folder of the results and the report; one that holds results goes on where they end.",
)
@click.option("--resume", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A results file to go on.")
@click.option("--mix", is_flag=True, help="Add to results of other sources; their seeds are run again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def campaign(
    seeds: str,
    profile: str,
    replicas: str,
    strategies: str,
    service: str,
    without: str,
    scheduler: str | None,
    jobs: int | None,
    seconds: float | None,
    output: Path,
    resume: Path | None,
    mix: bool,
    as_json: bool,
) -> None:
    """Run very many simulated worlds, spread over cores or machines, and make a report of them.

    What is done is kept: stopped by Ctrl-C, by --seconds or by a power cut, the same command goes on where it was.

    \b
    Example:  quorate campaign --seeds 0:20000
              quorate campaign --seeds 0:1000000 --scheduler tcp://10.0.0.1:8786

    Exit codes: 0 every rule held; 1 one was broken, and the seeds are named; 2 the command line is wrong.
    """
    if scheduler is not None and jobs is not None:
        raise ConfigurationError("--jobs is for this machine: a --scheduler has its own workers")
    selection = Selection(profile, _sizes(replicas), names_in(strategies), service, names_in(without))
    selection.check()
    wanted = _parse_seeds(seeds)
    record = Record(resume if resume is not None else output / RESULTS)
    try:
        session = _Session(record, selection, wanted, as_json)
        session.check(mix)
        session.run(scheduler, jobs or cores(), seconds)
    finally:
        record.close()
    sys.exit(1 if session.tally().failures else 0)


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 4 for part in parts):
        raise ConfigurationError(f"--replicas {text}: expected numbers with commas between them, for example 4,7,10")
    return tuple(map(int, parts))


def _parse_seeds(text: str) -> Seeds:
    first, separator, end = text.partition(":")
    if not (separator and first.isdecimal() and end.isdecimal() and max(len(first), len(end)) < 19):
        raise ConfigurationError(f"--seeds {text}: expected A:B, for example 0:20000")
    if int(first) >= int(end):
        raise ConfigurationError(f"--seeds {text}: there is no seed between these; A has to be smaller than B")
    return Seeds(int(first), int(end))


class _Session:
    """One call of the command."""

    def __init__(self, record: Record, selection: Selection, wanted: Seeds, as_json: bool) -> None:
        self._record = record
        self._selection = selection
        self._wanted = wanted
        self._as_json = as_json
        self._report = record.path.with_name(REPORT)
        self._reported_at = 0.0
        self._remark = ""

    def check(self, mix: bool) -> None:
        """Refuse to mix what different sources did, unless that is wanted."""
        others = {summary.sources: summary.version for summary in self._record.summaries}
        others.pop(sources_digest(), None)
        if others and not mix:
            versions = ", ".join(sorted(set(others.values())))
            raise ConfigurationError(
                f"{self._record.path} holds results of other sources ({versions}): "
                "add --mix to have these beside them, or choose another --output"
            )

    def tally(self) -> Tally:
        """What this selection did in the wanted seeds, and in others of the file, with these sources."""
        return self._record.tally(lambda summary: summary.sources == sources_digest())

    def run(self, scheduler: str | None, jobs: int, seconds: float | None) -> None:
        """Run what is missing; write the report; say how it was."""
        pending = list(missing(self._wanted, self._record.done(self._selection, sources_digest())))
        left = sum(map(len, pending))
        done = len(self._wanted) - left
        if done:
            self._say(f"{done:,} of {counted(len(self._wanted), 'seed')} are done: going on with the rest")
        if left:
            with _stopped_by_signals() as stop, assemble(scheduler, min(jobs, left)) as crew:
                self._say(f"{counted(left, 'seed')} on {crew.place}; results in {self._record.path}")
                runner = Runner(self._selection, pending, crew, self._record, stop, seconds)
                with self._progress() as progress:
                    self._run(runner, progress, done)
                if runner.left:
                    self._remark = "It was stopped before all its seeds were run: the same command goes on with them."
        self._write_report()
        self._print_ending()

    def _run(self, runner: Runner, progress: Progress, done: int) -> None:
        bar = progress.add_task("seeds", total=len(self._wanted), completed=done, failed=0, rate=0.0)
        began, count, failed = time.monotonic(), 0, 0

        def notice(summary: Summary) -> None:
            nonlocal count, failed
            count += len(summary.seeds)
            failed += len(summary.failures)
            for failure in summary.failures:
                self._print_failure(failure, progress)
            rate = count / max(time.monotonic() - began, 1e-9)
            progress.update(bar, completed=done + count, failed=failed, rate=rate)
            if time.monotonic() - self._reported_at > _REPORT_SECONDS:
                self._write_report()
                if progress.disable:
                    left = timedelta(seconds=round((len(self._wanted) - done - count) / rate))
                    self._say(
                        f"{counted(done + count, 'seed')}, {failed} failed, {rate:.1f} a second, all done in {left}"
                    )

        self._reported_at = began
        runner.run(notice)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed, {task.fields[rate]:.1f} a second, all done in"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=self._as_json or not sys.stderr.isatty(),
            transient=True,
            speed_estimate_period=600,
        )

    def _say(self, line: str) -> None:
        if not self._as_json:
            say(line)

    def _print_failure(self, failure: Failure, progress: Progress) -> None:
        lines = [
            f"seed {failure.seed}, profile {failure.profile}, {failure.replicas} replicas broke the rule "
            f"'{failure.rule}': {failure.text}",
            f"  liars: {failure.liars}",
            f"  run it again: {failure.command}",
        ]
        if not progress.disable:
            progress.console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
        else:
            self._say("\n".join(lines))

    def _write_report(self) -> None:
        write_report(self._report, self._record, Subject(sources_digest(), STRATEGIES, self._remark))
        self._reported_at = time.monotonic()

    def _print_ending(self) -> None:
        tally = self.tally()
        total = tally.total()
        if self._as_json:
            print_json(_as_document(tally, self._record.path, self._report))
            return
        if self._remark:
            say(self._remark)
        say(
            f"{counted(total.seeds, 'seed')}, {len(tally.failures)} failed: {total.messages:,} messages, "
            f"{total.virtual_time / 3.6e9:.2f} hours of virtual time, {total.views:,} views left, "
            f"{sum(name in tally.strategies for name in STRATEGIES)} of {len(STRATEGIES)} strategies met"
        )
        say(f"report: {self._report}")


def _as_document(tally: Tally, results: Path, report: Path) -> dict[str, object]:
    content = {name: msgspec.to_builtins(getattr(tally, name)) for name in Tally.__struct_fields__ if name != "arcs"}
    return {
        "sources": sources_digest(),
        "total": msgspec.to_builtins(tally.total()),
        **content,
        "results": str(results),
        "report": str(report),
    }


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """SIGINT and SIGTERM ask to stop, and let what is being run come to its end; a second one does not."""
    stop = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("stopping: what is being run comes to its end within seconds; once more to stop at once", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

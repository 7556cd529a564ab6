"""`quorate explore`: every run of the real core in a small world, not a sample of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf

import click
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from quorate.cli.output import print_json, say
from quorate.errors import ConfigurationError
from quorate.sim.small_worlds.bounds import REPLICAS, Bounds
from quorate.sim.small_worlds.narration import Story, tell
from quorate.sim.small_worlds.search import Limits, Progress, Report, World, search


@click.command()
@click.option("--requests", default=1, show_default=True, help="Requests, and sequence numbers: 1 or 2.")
@click.option("--views", default=2, show_default=True, help="Views 0 up to, not including, this one.")
@click.option("--depth", type=click.IntRange(min=1), help="Stop after so many steps.  [default: when no state is left]")
@click.option("--states", type=click.IntRange(min=1), help="Stop after so many states.")
@click.option("--traitors", metavar="I[,J]", help="Who lies.  [default: each primary, and one backup, in turn]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def explore(
    requests: int, views: int, depth: int | None, states: int | None, traitors: str | None, as_json: bool
) -> None:
    """Explore small worlds exhaustively: four replicas of the real core, one of them a traitor.

    Within the bounds every message may be late, lost or repeated, every timer may expire at any time, and the traitor
    may send anything that its keys allow. 'No state is left' means that no interleaving breaks safety there.
    Two requests make too many states: give a --depth. See docs/SMALL-WORLDS.md.

    \b
    Example:  quorate explore --requests 1 --views 2
              quorate explore --requests 2 --depth 5
              quorate explore --traitors 0,3

    Exit codes: 0 every rule held; 1 one was broken, and the steps to it are told; 2 the command line is wrong.
    """
    worlds = [Bounds(requests, views, group) for group in _groups(traitors, views)]
    for bounds in worlds:
        bounds.check()
    limits = Limits(inf if depth is None else depth, inf if states is None else states)
    reports: list[Report] = []
    stories: list[Story | None] = []
    for bounds in worlds:
        report = _explore(bounds, limits, as_json)
        broken = report.verdict is not None
        story = tell(bounds, Limits(depth=report.depth + 1)) if broken else None
        reports.append(report)
        stories.append(story)
        if not as_json:
            _print(report, story)
    if as_json:
        print_json([_document(report, story) for report, story in zip(reports, stories, strict=True)])
    sys.exit(1 if any(report.verdict is not None for report in reports) else 0)


def _groups(text: str | None, views: int) -> list[tuple[int, ...]]:
    """Who lies in each world. A backup stands for all that lead no view: names are all that tells them apart."""
    if text is None:
        return [(replica,) for replica in range(min(views + 1, REPLICAS))]
    names = text.split(",")
    if not all(name.isdecimal() for name in names):
        raise ConfigurationError(f"--traitors {text}: expected numbers of replicas, for example 0 or 0,3")
    return [tuple(sorted({int(name) for name in names}))]


def _explore(bounds: Bounds, limits: Limits, as_json: bool) -> Report:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, disable=as_json or not sys.stderr.isatty(), transient=True) as bar:
        bar.add_task(_title(bounds))
        return search(World(bounds), limits, _shown(bar, _title(bounds)))


def _shown(bar: Bar, title: str) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        text = f"{title}: depth {progress.depth}, {progress.states:,} states, {progress.frontier:,} of them new"
        bar.update(bar.task_ids[0], description=text)

    return show


def _title(bounds: Bounds) -> str:
    liars = " and ".join(map(str, bounds.traitors))
    numbers = "one request" if bounds.requests == 1 else f"{bounds.requests} requests"
    last = bounds.views - 1
    return f"{numbers}, view{'s 0 to ' + str(last) if last else ' 0'}, traitor {liars}"


def _print(report: Report, story: Story | None) -> None:
    if report.verdict is not None:
        ending = "A RULE IS BROKEN"
    elif report.is_complete:
        ending = "no state is left, and no rule is broken"
    else:
        ending = f"stopped at a limit; to depth {report.depth} every state was met, and no rule is broken"
    say(f"{_title(report.bounds)}: {ending}")
    say(
        f"  {report.states:,} states, {report.transitions:,} transitions, depth {report.depth}; "
        f"{report.replica_states:,} states of single replicas, {report.messages:,} messages, "
        f"{report.core_steps:,} steps of the core; {report.seconds:.1f} s"
    )
    if story is not None:
        say(f"  {story.verdict.rule}: {story.verdict.text}")
        say("  the shortest way there" + (", run again on fresh replicas:" if story.is_real else ":"))
        for number, line in enumerate(story.lines, 1):
            say(f"  {number:>3}. {line}")
        if not story.is_real:
            say("  Fresh replicas did not break the rule: the reductions added this run. Please report it.")


def _document(report: Report, story: Story | None) -> dict[str, object]:
    verdict = report.verdict
    return {
        "requests": report.bounds.requests,
        "views": report.bounds.views,
        "traitors": list(report.bounds.traitors),
        "is_complete": report.is_complete,
        "depth": report.depth,
        "states": report.states,
        "transitions": report.transitions,
        "layers": list(report.layers),
        "replica_states": report.replica_states,
        "messages": report.messages,
        "core_steps": report.core_steps,
        "seconds": round(report.seconds, 3),
        "broken": None if verdict is None else {"rule": verdict.rule, "text": verdict.text},
        "story": None if story is None else {"is_real": story.is_real, "lines": list(story.lines)},
    }

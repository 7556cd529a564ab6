"""`quorate twins`: replicas that run twice under one identity, in every division of the group there is."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NoReturn

import click
from rich.progress import Progress

from quorate.cli.output import print_json, say
from quorate.errors import ConfigurationError
from quorate.messages.codec import decode, decode_envelope
from quorate.sim.trace import describe
from quorate.sim.twins.explore import Report, Totals, all_scenarios, count_scenarios, run_scenarios, sample
from quorate.sim.twins.scenario import Scenario, parse_scenario, process_name
from quorate.sim.twins.world import TwinsWorld

SHOWN_MAX = 10
"""Failures that are printed."""


@click.command()
@click.option("--replicas", default=4, show_default=True, help="How many replicas; f of them run twice.")
@click.option("--phases", default=3, show_default=True, help="Run every way to divide the group in so many phases.")
@click.option("--samples", default=0, metavar="N", help="Instead of all scenarios, run N long ones drawn from seeds.")
@click.option("--rounds", default=12, show_default=True, help="How many phases a sample has.")
@click.option("--seed", default=0, show_default=True, help="The first sample's seed.")
@click.option("--jobs", default=1, show_default=True, help="How many scenarios at once, each on a core of its own.")
@click.option("--scenario", metavar="NAME", help="Run the one scenario of this name, and print every message.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def twins(
    replicas: int, phases: int, samples: int, rounds: int, seed: int, jobs: int, scenario: str | None, as_json: bool
) -> None:
    """Run f replicas twice under one identity, and divide the group in every way there is.

    Both copies are honest; together they equivocate, vote twice and forget. In each phase two sides hear nothing of
    each other, clients ask both, and time-outs change views; then all heals. The replicas that run once must agree,
    and answer everything. All scenarios of three phases take ten minutes of one core.

    \b
    Example:  quorate twins
              quorate twins --samples 500 --rounds 12

    Exit codes: 0 every rule held; 1 one was broken, and the scenarios are named; 2 the command line is wrong.
    """
    if scenario is not None:
        _run_one(parse_scenario(scenario), as_json)
    if samples < 0 or jobs < 1:
        raise ConfigurationError("--samples and --jobs count: from 0, and from 1")
    count = samples or count_scenarios(replicas, phases)
    chosen: Iterable[Scenario] = (
        (sample(replicas, rounds, number) for number in range(seed, seed + samples))
        if samples
        else all_scenarios(replicas, phases)
    )
    totals = _run_many(chosen, count, jobs, as_json)
    if as_json:
        print_json(_as_document(totals))
    else:
        _print_totals(totals)
    sys.exit(1 if totals.failed else 0)


def _run_one(scenario: Scenario, as_json: bool) -> NoReturn:
    """One scenario, with every message."""

    def write(time: int, process: int, text: str, frame: bytes) -> None:
        who = "*" if process < 0 else process_name(scenario.group, process)
        said = f": {describe(decode(decode_envelope(frame).payload))}" if frame else ""
        say(f"{time / 1e6:12.6f}  {who:<3} {text}{said}")

    outcome = TwinsWorld(scenario, None if as_json else write).run()
    if as_json:
        document = {**outcome._asdict(), "verdicts": [verdict._asdict() for verdict in outcome.verdicts]}
        print_json({"scenario": scenario.name, "outcome": document})
    else:
        for verdict in outcome.verdicts:
            say(f"{verdict.rule}: {verdict.text}")
        say(f"{outcome.messages} messages, highest view {outcome.views}, {outcome.executed} sequence numbers executed")
    sys.exit(1 if outcome.verdicts else 0)


def _run_many(scenarios: Iterable[Scenario], count: int, jobs: int, as_json: bool) -> Totals:
    totals = Totals()
    with Progress(disable=as_json or not sys.stderr.isatty(), transient=True) as progress:
        bar = progress.add_task("scenarios", total=count)
        for report in run_scenarios(scenarios, jobs):
            totals.add(report)
            progress.update(bar, advance=1, description=f"scenarios, {len(totals.failed)} failed")
            if report.verdict is not None and not as_json and len(totals.failed) <= SHOWN_MAX:
                _print_failure(report)
    return totals


def _print_failure(report: Report) -> None:
    verdict = report.verdict
    assert verdict is not None
    say(f"broke the rule '{verdict.rule}': {verdict.text}")
    say(f"  every message: quorate twins --scenario {report.scenario.name}")


def _print_totals(totals: Totals) -> None:
    say(
        f"{totals.scenarios:,} scenarios ({totals.authentication['mac']:,} with MACs, "
        f"{totals.authentication['signature']:,} with signatures), {len(totals.failed)} failed, in "
        f"{totals.seconds:,.0f} s of one core"
    )
    say(
        f"{totals.messages:,} messages, {totals.virtual_time / 3.6e9:.2f} hours of virtual time, {totals.executed:,} "
        f"sequence numbers executed, {totals.completed:,} requests answered, {totals.views:,} views left (at most "
        f"{totals.highest_view} in a scenario)"
    )
    say(
        f"a side had a quorum in {totals.quorum_phases:,} phases and got on in {totals.live_phases:,}; healing took "
        f"{totals.longest_healing / 1e6:.2f} s at most; {totals.stopped_copies:,} copies of twins stopped"
    )


def _as_document(totals: Totals) -> dict[str, object]:
    return {
        "scenarios": totals.scenarios,
        "authentication": dict(totals.authentication),
        "failed": [
            {"scenario": report.scenario.name, "rule": report.verdict.rule, "text": report.verdict.text}
            for report in totals.failed
            if report.verdict is not None
        ],
        "messages": totals.messages,
        "virtual_seconds": totals.virtual_time / 1e6,
        "views": totals.views,
        "highest_view": totals.highest_view,
        "executed": totals.executed,
        "completed": totals.completed,
        "quorum_phases": totals.quorum_phases,
        "live_phases": totals.live_phases,
        "longest_healing_seconds": totals.longest_healing / 1e6,
        "stopped_copies": totals.stopped_copies,
        "seconds": round(totals.seconds, 3),
    }

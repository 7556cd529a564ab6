"""`quorate sim`: the protocol in simulated, hostile worlds, each made from one seed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn

import click
import msgspec
from rich.progress import Progress

from quorate.cli.output import counted, print_json, say
from quorate.errors import ConfigurationError
from quorate.sim.explore import Campaign, SeedReport, Totals, names_in, run_seeds
from quorate.sim.plan import Plan, decode_plan, encode_plan, liars_of
from quorate.sim.profiles import MIXED, PROFILES
from quorate.sim.shrink import shrink
from quorate.sim.switches import OFF
from quorate.sim.trace import Tracer
from quorate.sim.world import Outcome, World


@click.command()
@click.option("--seeds", metavar="A:B", help="The seeds from A up to, not including, B.  [default: 0:100]")
@click.option("--seed", type=int, help="One seed.")
@click.option("--replicas", default=4, show_default=True, help="How many replicas.")
@click.option("--profile", default=MIXED, show_default=True, help=f"One of {', '.join([MIXED, *PROFILES])}.")
@click.option("--strategies", default="", metavar="NAME,...", help="How every traitor lies.  [default: by the seed]")
@click.option("--service", default="", help="redis, counter, or your own, as module:Class.  [default: registers]")
@click.option("--without", default="", metavar="NAME,...", help=f"Switches that are off: {', '.join(OFF)}.")
@click.option("--reads", type=click.Choice(["on", "off"]), help="The read-only path.  [default: by the seed]")
@click.option("--jobs", default=1, show_default=True, help="How many seeds at once, each on a core of its own.")
@click.option("--trace", is_flag=True, help="Print every message and event of the one seed.")
@click.option("--shrink", "shrunk_file", type=click.Path(dir_okay=False), help="Write a failing seed's smallest plan.")
@click.option("--replay", type=click.Path(exists=True, dir_okay=False), help="Run the plan in this file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def sim(
    seeds: str | None,
    seed: int | None,
    replicas: int,
    profile: str,
    strategies: str,
    service: str,
    without: str,
    reads: str | None,
    jobs: int,
    trace: bool,
    shrunk_file: str | None,
    replay: str | None,
    as_json: bool,
) -> None:
    """Run whole clusters in simulated, hostile worlds and judge what they do.

    Each seed is a world of its own: network, clocks, crashes, traitors and clients all follow from it. First anything
    may happen; then all but the traitors heals, and every request has to be answered.

    \b
    Example:  quorate sim --seeds 0:200 --replicas 7
              quorate sim --seed 17 --profile traitors --trace
              quorate sim --service mymodule:MyService

    Exit codes: 0 every rule held; 1 one was broken, and the seeds are named; 2 the command line is wrong.
    """
    has_reads = None if reads is None else reads == "on"
    campaign = Campaign(profile, replicas, names_in(strategies), service, names_in(without), has_reads)
    campaign.check()
    if replay is not None:
        _run_one(_read_plan(replay), trace, as_json, f"quorate sim --replay {replay} --trace")
    if trace and seed is None:
        raise ConfigurationError("--trace shows one world: add --seed N or --replay FILE")
    if trace and seed is not None:
        _run_one(campaign.plan(seed), trace, as_json, campaign.command(seed))
    if jobs < 1:
        raise ConfigurationError(f"--jobs {jobs}: at least one seed is run at a time")
    totals = _run_many(_choose_seeds(seeds, seed), campaign, jobs, as_json)
    if as_json:
        print_json(_as_document(totals))
    else:
        _print_totals(totals)
    if totals.failed and shrunk_file is not None:
        _write_shrunk(totals.failed[0], Path(shrunk_file))
    sys.exit(1 if totals.failed else 0)


def _choose_seeds(seeds: str | None, seed: int | None) -> range:
    if seed is None:
        return _parse_seeds(seeds or "0:100")
    if seeds is not None:
        raise ConfigurationError("--seed is one seed and --seeds are many: give one of them")
    return range(seed, seed + 1)


def _parse_seeds(text: str) -> range:
    first, separator, end = text.partition(":")
    if not separator or not first.isdecimal() or not end.isdecimal() or int(first) >= int(end):
        raise ConfigurationError(f"--seeds {text}: expected A:B with A < B, for example 0:200")
    return range(int(first), int(end))


def _read_plan(file: str) -> Plan:
    try:
        return decode_plan(Path(file).read_bytes())
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{file} is not a plan: {error}") from None


def _run_one(plan: Plan, trace: bool, as_json: bool, command: str) -> NoReturn:
    """One world, with every event if wanted."""
    outcome = World(plan, Tracer(plan.replicas, say) if trace and not as_json else None).run()
    if as_json:
        print_json({"plan": msgspec.to_builtins(plan), "outcome": msgspec.to_builtins(outcome._asdict())})
    else:
        say(_ending(plan, outcome))
        for verdict in outcome.verdicts:
            say(f"{verdict.rule}: {verdict.text}")
        if outcome.verdicts and not trace:
            say(f"every message: {command}")
    sys.exit(1 if outcome.verdicts else 0)


def _run_many(seeds: range, campaign: Campaign, jobs: int, as_json: bool) -> Totals:
    totals = Totals()
    with Progress(disable=as_json or not sys.stderr.isatty(), transient=True) as progress:
        bar = progress.add_task("seeds", total=len(seeds))
        for report in run_seeds(seeds, campaign, jobs):
            totals.add(report)
            progress.update(bar, advance=1, description=f"seeds, {len(totals.failed)} failed")
            if report.verdict is not None and not as_json:
                _print_failure(report)
    return totals


def _print_failure(report: SeedReport) -> None:
    verdict = report.verdict
    assert verdict is not None
    liars = [f"replica {liar.replica} ({', '.join(liar.strategies)})" for liar in liars_of(report.plan)]
    say(f"seed {report.plan.seed} broke the rule '{verdict.rule}': {verdict.text}")
    say(f"  profile {report.plan.profile}; traitors: {', '.join(liars) or 'none'}")
    say(f"  run it again: {report.command}")


def _ending(plan: Plan, outcome: Outcome) -> str:
    return (
        f"seed {plan.seed}, profile {plan.profile}: {outcome.messages} messages in {outcome.time / 1e6:.3f} s of "
        f"virtual time, highest view {outcome.views}, {outcome.executed} sequence numbers executed, "
        f"{outcome.completed} requests answered, fingerprint {outcome.fingerprint}"
    )


def _print_totals(totals: Totals) -> None:
    say(
        f"{counted(totals.seeds, 'seed')}, {len(totals.failed)} failed: {totals.messages:,} messages "
        f"({totals.messages / max(totals.seconds, 1e-9):,.0f} a second and core), "
        f"{totals.virtual_time / 3.6e9:.2f} hours of virtual time, {totals.views:,} views left, "
        f"{totals.executed:,} sequence numbers executed, {totals.completed:,} requests answered"
    )
    for title, counts in (
        ("profiles", totals.profiles),
        ("networks", totals.networks),
        ("faults", totals.faults),
        ("what befell disks, how often", totals.happened),
        ("strategies of traitors and liars", totals.strategies),
    ):
        if counts:
            say(f"{title}: {_listed(counts)}")
    if totals.refusals or totals.unauthentic:
        say(f"refused by correct replicas ({totals.unauthentic:,} frames that were not authentic, and):")
        for reason, count in totals.refusals.most_common():
            say(f"  {count:>9,}  {reason}")


def _listed(counts: Counter[str]) -> str:
    return "; ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _as_document(totals: Totals) -> dict[str, object]:
    return {
        "seeds": totals.seeds,
        "failed": [
            {
                "seed": report.plan.seed,
                "profile": report.plan.profile,
                "rule": report.verdict.rule,
                "text": report.verdict.text,
                "command": report.command,
            }
            for report in totals.failed
            if report.verdict is not None
        ],
        "messages": totals.messages,
        "virtual_seconds": totals.virtual_time / 1e6,
        "views": totals.views,
        "executed": totals.executed,
        "completed": totals.completed,
        "seconds": round(totals.seconds, 3),
        "profiles": dict(totals.profiles),
        "networks": dict(totals.networks),
        "faults": dict(totals.faults),
        "disks": dict(totals.happened),
        "strategies": dict(totals.strategies),
        "refusals": dict(totals.refusals),
        "unauthentic": totals.unauthentic,
    }


def _write_shrunk(report: SeedReport, file: Path) -> None:
    verdict = report.verdict
    assert verdict is not None
    file.write_bytes(encode_plan(shrink(report.plan, verdict.rule)))
    say(f"the smallest plan that breaks '{verdict.rule}': quorate sim --replay {file} --trace")

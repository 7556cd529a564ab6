"""Many seeds: run them, on several cores if wanted, and add up what happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from quorate.adversary.registry import REPLICA_STRATEGIES
from quorate.errors import ConfigurationError
from quorate.sim.checkers import Verdict
from quorate.sim.plan import Plan, liars_of, troubles_of
from quorate.sim.profiles import MIXED, PROFILES, draw_plan
from quorate.sim.samples import sampler_of
from quorate.sim.switches import check_switches, without
from quorate.sim.world import Outcome, World


class Campaign(NamedTuple):
    """What seeds are drawn for."""

    profile: str = MIXED
    replicas: int = 4
    strategies: tuple[str, ...] = ()
    """How every traitor lies; empty: as the seed says."""
    service: str = ""
    """The service that is replicated; empty: registers, whose histories the judge understands."""
    without: tuple[str, ...] = ()
    """Switches that are off, see `sim.switches`; the others are as the seed says."""
    reads: bool | None = None
    """Whether the read-only path is on; None: as the seed says."""

    def check(self) -> None:
        """Raise ConfigurationError for what cannot be drawn."""
        if self.profile != MIXED and self.profile not in PROFILES:
            raise ConfigurationError(
                f"--profile {self.profile}: there is no such profile; there are {', '.join([MIXED, *PROFILES])}"
            )
        if not 4 <= self.replicas <= 31:
            raise ConfigurationError(f"--replicas {self.replicas}: a simulated cluster has 4 to 31 replicas")
        for name in self.strategies:
            if name not in REPLICA_STRATEGIES:
                raise ConfigurationError(
                    f"--strategies {name}: there is no such strategy; there are {', '.join(REPLICA_STRATEGIES)}"
                )
        check_switches(self.without)
        if self.service:
            sampler_of(self.service)

    def plan(self, seed: int) -> Plan:
        """What a seed draws."""
        plan = draw_plan(seed, self.profile, self.replicas, self.strategies, self.service, self.reads)
        return without(plan, self.without)

    def command(self, seed: int) -> str:
        """What runs a seed again, message by message."""
        lies = f" --strategies {','.join(self.strategies)}" if self.strategies else ""
        service = f" --service {self.service}" if self.service else ""
        off = f" --without {','.join(self.without)}" if self.without else ""
        reads = "" if self.reads is None else f" --reads {'on' if self.reads else 'off'}"
        world = f"--seed {seed} --profile {self.profile} --replicas {self.replicas}{lies}{service}{off}{reads}"
        return f"quorate sim {world} --trace"


def names_in(text: str) -> tuple[str, ...]:
    """The names in an option of the command line, which have commas between them."""
    return tuple(filter(None, text.split(",")))


class SeedReport(NamedTuple):
    """One seed: what it drew, and how it ended."""

    campaign: Campaign
    plan: Plan
    outcome: Outcome
    seconds: float

    @property
    def verdict(self) -> Verdict | None:
        """The first rule that was broken, if any."""
        return self.outcome.verdicts[0] if self.outcome.verdicts else None

    @property
    def command(self) -> str:
        """What runs this seed again, message by message."""
        return self.campaign.command(self.plan.seed)


class Totals:
    """What all seeds together did."""

    def __init__(self) -> None:
        self.seeds = 0
        self.failed: list[SeedReport] = []
        self.messages = 0
        self.virtual_time = 0
        self.views = 0
        self.completed = 0
        self.executed = 0
        self.unauthentic = 0
        self.seconds = 0.0
        self.profiles: Counter[str] = Counter()
        self.strategies: Counter[str] = Counter()
        self.networks: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def add(self, report: SeedReport) -> None:
        """Count one more seed."""
        plan, outcome = report.plan, report.outcome
        self.seeds += 1
        if report.verdict is not None:
            self.failed.append(report)
        self.messages += outcome.messages
        self.virtual_time += outcome.time
        self.views += outcome.views
        self.completed += outcome.completed
        self.executed += outcome.executed
        self.unauthentic += outcome.unauthentic
        self.seconds += report.seconds
        self.profiles[plan.profile] += 1
        self.strategies.update(name for liar in liars_of(plan) for name in set(liar.strategies))
        self.strategies.update(name for client in plan.clients for name in set(client.strategies))
        self.networks[plan.network.kind] += 1
        self.faults.update(troubles_of(plan))
        self.happened.update(outcome.happened)
        self.refusals.update(outcome.refusals)


def run_seed(seed: int, campaign: Campaign) -> SeedReport:
    """Draw the plan of a seed and run it."""
    plan = campaign.plan(seed)
    started = time.perf_counter()
    outcome = World(plan).run()
    return SeedReport(campaign, plan, outcome, time.perf_counter() - started)


def run_seeds(seeds: Sequence[int], campaign: Campaign, jobs: int) -> Iterator[SeedReport]:
    """Run seeds one after the other, or on *jobs* cores; the reports come in the order of the seeds."""
    run = partial(run_seed, campaign=campaign)
    if jobs == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(run, seeds, chunksize=4)
        except GeneratorExit:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

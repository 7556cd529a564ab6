"""Many seeds: run them, on several cores if wanted, and add up what happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from quorate.errors import ConfigurationError
from quorate.sim.checkers import Verdict
from quorate.sim.plan import Plan
from quorate.sim.profiles import MIXED, PROFILES, draw_plan
from quorate.sim.world import Outcome, World


class SeedReport(NamedTuple):
    """One seed: what it drew, and how it ended."""

    seed: int
    asked_profile: str
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
        return f"quorate sim --seed {self.seed} --profile {self.asked_profile} --replicas {self.plan.replicas} --trace"


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
        self.faults: Counter[str] = Counter()
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
        self.strategies.update(name for traitor in plan.traitors for name in set(traitor.strategies))
        self.strategies.update(name for client in plan.clients for name in set(client.strategies))
        self.faults.update({type(fault).__name__ for fault in plan.faults})
        self.refusals.update(outcome.refusals)


def check_profile(profile: str, replicas: int) -> None:
    """Raise ConfigurationError for what cannot be drawn."""
    if profile != MIXED and profile not in PROFILES:
        raise ConfigurationError(f"there is no profile {profile!r}; there are {', '.join([MIXED, *PROFILES])}")
    if not 4 <= replicas <= 31:
        raise ConfigurationError(f"--replicas {replicas}: a simulated cluster has 4 to 31 replicas")


def run_seed(seed: int, profile: str, replicas: int) -> SeedReport:
    """Draw the plan of a seed and run it."""
    plan = draw_plan(seed, profile, replicas)
    started = time.perf_counter()
    outcome = World(plan).run()
    return SeedReport(seed, profile, plan, outcome, time.perf_counter() - started)


def run_seeds(seeds: Sequence[int], profile: str, replicas: int, jobs: int) -> Iterator[SeedReport]:
    """Run seeds one after the other, or on *jobs* cores; the reports come in the order of the seeds."""
    run = partial(run_seed, profile=profile, replicas=replicas)
    if jobs == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(run, seeds, chunksize=4)
        except GeneratorExit:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

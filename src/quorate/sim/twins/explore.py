"""Many scenarios: all there are for a few phases, or a sample of long ones. Runs them, and adds up what happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from random import Random
from typing import Final, NamedTuple

from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError
from quorate.sim.checkers import Verdict
from quorate.sim.twins.scenario import CUTS, Fate, Phase, Scenario, make_group
from quorate.sim.twins.splits import count_sequences, groups, sequences
from quorate.sim.twins.world import Outcome, TwinsWorld

ENUMERATED_CUTS: Final = (0, 2)
"""Splits that find nothing under way, and splits that find what is ordered prepared and its COMMITs on their way."""
VARIANTS: Final = tuple((fate, cut) for fate in Fate for cut in ENUMERATED_CUTS)
"""How each sequence of splits is run: the same fate and cut in all its phases."""
SIGNED_EVERY: Final = 32
"""One scenario in so many is run a second time with everything signed."""
SIGNED_SHARE: Final = 8
"""One sample in so many has everything signed."""
SCENARIOS_MAX: Final = 1_000_000


def twins_of(replicas: int) -> int:
    """As many twins as liars are tolerated."""
    make_group(replicas, ())
    return quorums_of(replicas).faults


def count_scenarios(replicas: int, phases: int) -> int:
    """How many scenarios `all_scenarios` gives. Raises ConfigurationError when that is more than anyone waits for."""
    if phases < 1:
        raise ConfigurationError(f"--phases {phases}: at least one")
    chosen = groups(replicas, twins_of(replicas))
    count = sum(count_sequences(group, phases) for group in chosen) * len(VARIANTS)
    if count > SCENARIOS_MAX:
        raise ConfigurationError(
            f"{replicas} replicas in {phases} phases are {count:,} scenarios, more than {SCENARIOS_MAX:,}: "
            "take fewer --phases, or a sample of them with --rounds and --samples"
        )
    return count + -(-count // SIGNED_EVERY)


def all_scenarios(replicas: int, phases: int) -> Iterator[Scenario]:
    """Every choice of f twins, every sequence of splits, every variant, with MACs; some with signatures too."""
    number = 0
    for group in groups(replicas, twins_of(replicas)):
        for splits in sequences(group, phases):
            for fate, cut in VARIANTS:
                scenario = Scenario(group, "mac", tuple(Phase(split, fate, cut) for split in splits))
                yield scenario
                if number % SIGNED_EVERY == 0:
                    yield scenario._replace(authentication="signature")
                number += 1


def sample(replicas: int, rounds: int, seed: int) -> Scenario:
    """The scenario of a seed: in each round any split, fate and cut."""
    if rounds < 1:
        raise ConfigurationError(f"--rounds {rounds}: at least one")
    random = Random(seed)
    group = make_group(replicas, tuple(sorted(random.sample(range(replicas), twins_of(replicas)))))
    phases = tuple(
        Phase(random.choice(group.splits()), random.choice(list(Fate)), random.choice(CUTS)) for _ in range(rounds)
    )
    return Scenario(group, "mac" if random.randrange(SIGNED_SHARE) else "signature", phases, seed)


class Report(NamedTuple):
    """One scenario and how it ended."""

    scenario: Scenario
    outcome: Outcome
    seconds: float

    @property
    def verdict(self) -> Verdict | None:
        """The first rule that was broken, if any."""
        return self.outcome.verdicts[0] if self.outcome.verdicts else None


def run_scenario(scenario: Scenario) -> Report:
    """Run one."""
    started = time.process_time()
    outcome = TwinsWorld(scenario).run()
    return Report(scenario, outcome, time.process_time() - started)


def run_scenarios(scenarios: Iterable[Scenario], jobs: int = 1) -> Iterator[Report]:
    """Run scenarios one after the other, or on *jobs* cores; the reports come in the same order."""
    if jobs == 1:
        yield from map(run_scenario, scenarios)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(run_scenario, scenarios, chunksize=16)
        except GeneratorExit:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Totals:
    """What all scenarios together did."""

    def __init__(self) -> None:
        self.scenarios = 0
        self.failed: list[Report] = []
        self.messages = 0
        self.virtual_time = 0
        self.executed = 0
        self.completed = 0
        self.views = 0
        self.highest_view = 0
        self.stopped_copies = 0
        self.quorum_phases = 0
        self.live_phases = 0
        self.longest_healing = 0
        self.seconds = 0.0
        self.authentication: Counter[str] = Counter()

    def add(self, report: Report) -> None:
        """Count one more scenario."""
        outcome = report.outcome
        self.scenarios += 1
        if report.verdict is not None:
            self.failed.append(report)
        self.messages += outcome.messages
        self.virtual_time += outcome.time
        self.executed += outcome.executed
        self.completed += outcome.completed
        self.views += outcome.views
        self.highest_view = max(self.highest_view, outcome.views)
        self.stopped_copies += outcome.stopped_copies
        self.quorum_phases += outcome.quorum_phases
        self.live_phases += outcome.live_phases
        self.longest_healing = max(self.longest_healing, outcome.healed_after)
        self.seconds += report.seconds
        self.authentication[report.scenario.authentication] += 1

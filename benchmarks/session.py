"""A whole run: its parts one after the other, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks import attacks, endurance, machine, outages
from benchmarks.measurement import MeasurementFailed, Skipped
from benchmarks.parts import PARTS, Form, Part
from benchmarks.plan import Effort, only
from benchmarks.results import Attacks, Comparison, Look, Outage, Results, all_ratios, all_summaries
from benchmarks.runner import Plan, Runner
from benchmarks.systems.quorate import Quorate

OUTAGES: Final = "primary-killed"
ATTACKS: Final = attacks.PART
ENDURANCE: Final = "ten-million"
OTHERS: Final = {
    OUTAGES: "the primary is killed under load",
    ATTACKS: "throughput under attack",
    ENDURANCE: "ten million operations on disk: memory and disk (not in the short form)",
}
"""The parts that compare nothing."""
NAMES: Final = (*(part.name for part in PARTS), *OTHERS)
_OUTAGES: Final = {Form.SHORT: 2, Form.FULL: 5}
_ATTACK_SECONDS: Final = {Form.SHORT: 3.0, Form.FULL: 4.0}
_ATTACKS: Final = {Form.SHORT: attacks.FEW, Form.FULL: attacks.ALL}
_ENDURANCE_STEPS: Final = 100


def names_in(part: Part) -> set[str]:
    """Of its systems and workloads."""
    return {system.name for system in part.systems} | {workload.name for workload in part.workloads}


Tell = Callable[[str, int], None]
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """What of everything is measured, and how thoroughly."""

    form: Form
    names: Sequence[str] = ()
    """Of parts, systems and workloads; without any, everything that the form has."""
    repetitions: int | None = None
    seconds: float | None = None

    def plans(self) -> list[tuple[Part, Plan]]:
        """The comparisons. A name of a part keeps that part; without one, the first part is kept that has all of the
        named systems and workloads."""
        if self._names_parts:
            return [(part, self._plan(part)) for part in PARTS if part.name in self.names]
        wanted = set(self.names)
        chosen = [part for part in PARTS if wanted <= names_in(part)]
        return [(part, self._plan(part)) for part in (chosen[:1] if wanted else chosen)]

    def _plan(self, part: Part) -> Plan:
        """What is named is measured also if the form leaves it out."""
        named = set(self.names) - set(NAMES)
        systems = part.systems_in(self.form, named)
        workloads = part.workloads_in(self.form, named)
        kept = {*only(named, [each.name for each in systems]), *only(named, [each.name for each in workloads])}
        return Plan(
            [each for each in systems if each.name in kept],
            [each for each in workloads if each.name in kept],
            self._effort(part.effort_in(self.form)),
        )

    @property
    def _names_parts(self) -> bool:
        return any(name in NAMES for name in self.names)

    def has(self, name: str) -> bool:
        """Whether a part that compares nothing is measured."""
        return name in self.names if self.names else (name != ENDURANCE or self.form is Form.FULL)

    def _effort(self, effort: Effort) -> Effort:
        """The effort with what was asked for changed; shorter measurements warm up for less, too."""
        if self.repetitions is not None:
            effort = replace(effort, repetitions=self.repetitions)
        if self.seconds is not None:
            effort = replace(
                effort,
                seconds=self.seconds,
                warm_up=min(effort.warm_up, self.seconds / 2),
                tuning_seconds=min(effort.tuning_seconds, self.seconds),
            )
        return effort

    @property
    def steps(self) -> int:
        """How many there are, for the progress bar."""
        others = {OUTAGES: self.outages, ATTACKS: attacks.steps(self.attacks), ENDURANCE: _ENDURANCE_STEPS}
        return sum(plan.steps for _, plan in self.plans()) + sum(
            steps for name, steps in others.items() if self.has(name)
        )

    @property
    def outages(self) -> int:
        """How often the primary is killed."""
        return self.repetitions or _OUTAGES[self.form]

    @property
    def attacks(self) -> Sequence[str]:
        """Which are tried."""
        return _ATTACKS[self.form]

    @property
    def attack_seconds(self) -> float:
        """What the measurement of each lasts."""
        return self.seconds or _ATTACK_SECONDS[self.form]


class Session:
    """Carries out a choice. What fails is noted, and the rest goes on."""

    def __init__(self, choice: Choice, directory: Path, tell: Tell, warn: Warn) -> None:
        self._choice = choice
        self._directory = directory
        self._tell = tell
        self._warn = warn
        self._behind = 0
        self._skipped: list[Skipped] = []

    def run(self) -> Results:
        """Everything that was chosen."""
        description = machine.describe(self._directory)
        comparisons = [self._compare(part, plan) for part, plan in self._choice.plans()]
        return Results(
            machine=description,
            form=self._choice.form.value,
            comparisons=comparisons,
            outages=self._outages() if self._choice.has(OUTAGES) else [],
            attacks=self._attacks() if self._choice.has(ATTACKS) else None,
            looks=self._looks() if self._choice.has(ENDURANCE) else [],
            skipped=self._skipped,
        )

    def _compare(self, part: Part, plan: Plan) -> Comparison:
        before = self._behind
        runner = Runner(
            plan,
            self._directory,
            lambda what, behind: self._tell(f"{part.title}: {what}", before + behind),
            self._warn,
        )
        runner.run()
        self._behind += plan.steps
        systems = [system.name for system in plan.systems]
        workloads = [workload.name for workload in plan.workloads]
        ours = [system.name for system in plan.systems if isinstance(system, Quorate)]
        return Comparison(
            name=part.name,
            title=part.title,
            repetitions=plan.effort.repetitions,
            seconds=plan.effort.seconds,
            systems=systems,
            ours=ours,
            workloads=workloads,
            titles={each.name: each.title for each in plan.systems}
            | {each.name: each.title for each in plan.workloads},
            ratios=all_ratios(runner.measurements, ours, systems, workloads),
            summaries=all_summaries(runner.measurements, systems, workloads),
            skipped=runner.skipped,
            measurements=runner.measurements,
            trials=runner.trials,
        )

    def _outages(self) -> list[Outage]:
        found = []
        for _ in range(self._choice.outages):
            self._tell(OTHERS[OUTAGES], self._behind)
            try:
                found.append(outages.measure(self._directory))
            except MeasurementFailed as error:
                self._skip(Skipped(OUTAGES, str(error)))
            self._behind += 1
        return found

    def _attacks(self) -> Attacks | None:
        def tell(what: str) -> None:
            self._tell(f"{OTHERS[ATTACKS]}: {what}", self._behind)
            self._behind += 1

        try:
            found, skipped = attacks.measure(self._directory, self._choice.attacks, self._choice.attack_seconds, tell)
        except MeasurementFailed as error:
            self._skip(Skipped(ATTACKS, str(error)))
            return None
        for each in skipped:
            self._skip(each)
        return found

    def _looks(self) -> list[Look]:
        before = self._behind

        def tell(done: int) -> None:
            share = min(1.0, done / endurance.OPERATIONS)
            self._tell(f"{done:,} of {endurance.OPERATIONS:,} operations", before + int(_ENDURANCE_STEPS * share))

        try:
            return endurance.measure(self._directory, tell)
        except MeasurementFailed as error:
            self._skip(Skipped(ENDURANCE, str(error)))
            return []

    def _skip(self, skipped: Skipped) -> None:
        self._skipped.append(skipped)
        self._warn(f"not measured: {skipped.system}: {skipped.reason}")

"""Carries out a plan: starts one system at a time, measures, stops it, and takes the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import redis_benchmark
from benchmarks.load.order import Order
from benchmarks.measurement import Measured, Measurement, MeasurementFailed, MissingPeer, Skipped
from benchmarks.plan import Effort, Load, Workload, in_turn
from benchmarks.processes import Processes
from benchmarks.started import started
from benchmarks.systems.system import Running, Setting, System

_SETTLE_SECONDS = 0.5
_SETTLED_A_SECOND = 50_000
"""For so many filled keys a second more is given."""
TRIAL = -1
"""The repetition in which settings are tried."""

Progress = Callable[[str, int], None]
"""Told what is done next, and how many steps are behind."""
Warn = Callable[[str], None]
"""Told at once what cannot be measured, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure in one part of a run."""

    systems: Sequence[System]
    workloads: Sequence[Workload]
    effort: Effort

    def workloads_of(self, system: System) -> list[Workload]:
        """Those that the system can take."""
        return [workload for workload in self.workloads if workload.load in system.loads]

    @property
    def steps(self) -> int:
        """How many measurements there are, tuning included."""
        return sum(map(self.steps_of, self.systems))

    def steps_of(self, system: System) -> int:
        """How many of them are of one system."""
        tried = [workload for workload in self.workloads_of(system) if not workload.share]
        trials = len(system.settings) if len(system.settings) > 1 else 0
        return len(self.workloads_of(system)) * self.effort.repetitions + len(tried) * trials


class Runner:
    """Collects measurements. What fails is noted, and the rest goes on."""

    def __init__(self, plan: Plan, directory: Path, progress: Progress, warn: Warn) -> None:
        self.measurements: list[Measurement] = []
        self.trials: list[Measurement] = []
        """Measurements that chose a peer's settings."""
        self.skipped: list[Skipped] = []
        self._plan = plan
        self._directory = directory
        self._progress = progress
        self._warn = warn
        self._steps_behind = 0
        self._setting: dict[tuple[str, str], Setting] = {}
        self._throughput: dict[tuple[str, str], float] = {}
        """The latest, of each system under each workload: what open loops take their share of."""

    def run(self) -> None:
        """Everything."""
        systems = {system.name: system for system in self._plan.systems if self._is_there(system)}
        for system in systems.values():
            self._choose_settings(system)
        for repetition in range(self._plan.effort.repetitions):
            for name in in_turn(list(systems), repetition):
                self._measure_all(systems[name], repetition)

    def _is_there(self, system: System) -> bool:
        try:
            system.check()
        except MissingPeer as error:
            self._skip(system, str(error))
            self._steps_behind += self._plan.steps_of(system)
            return False
        return True

    def _skip(self, system: System, reason: str, workload: Workload | None = None) -> None:
        skipped = Skipped(system.name, reason, workload.name if workload else None)
        if skipped not in self.skipped:
            self.skipped.append(skipped)
            self._warn(f"not measured: {system.title}{', ' + workload.title if workload else ''}: {reason}")

    def _choose_settings(self, system: System) -> None:
        """Try every setting on every workload for a moment; the one with the highest throughput is taken. An open loop
        runs with the setting of the workload that it refers to."""
        workloads = self._plan.workloads_of(system)
        if len(system.settings) == 1:
            self._setting.update({(system.name, workload.name): system.settings[0] for workload in workloads})
            return
        best: dict[str, float] = {}
        tried = [workload for workload in workloads if not workload.share]
        for setting in system.settings:
            for measurement in self._measure(system, setting, tried, TRIAL):
                self.trials.append(measurement)
                throughput = measurement.measured.throughput
                if throughput > best.get(measurement.workload, 0.0):
                    best[measurement.workload] = throughput
                    self._setting[system.name, measurement.workload] = setting
        for workload in workloads:
            chosen = self._setting.get((system.name, workload.reference))
            if workload.share and chosen is not None:
                self._setting[system.name, workload.name] = chosen

    def _measure_all(self, system: System, repetition: int) -> None:
        """All workloads of a system, those with the same setting together."""
        for setting in system.settings:
            chosen = [
                workload
                for workload in self._plan.workloads_of(system)
                if self._setting.get((system.name, workload.name)) == setting
            ]
            self.measurements.extend(self._measure(system, setting, chosen, repetition))

    def _measure(
        self, system: System, setting: Setting, workloads: Sequence[Workload], repetition: int
    ) -> list[Measurement]:
        """Start a system for each kind of load, measure the workloads, stop it. A failure ends one kind early."""
        measurements = []
        title = f"{system.title}{', ' + setting.name if setting.name else ''}"
        for load in system.loads:
            chosen = [workload for workload in workloads if workload.load is load]
            steps_after = self._steps_behind + len(chosen)
            current = None
            try:
                if chosen:
                    self._progress(f"{title}: starting", self._steps_behind)
                    filled: set[tuple[int, int]] = set()
                    with started(system, self._directory, load, setting) as (processes, running):
                        for current in chosen:
                            self._progress(f"{title}: {current.title}", self._steps_behind)
                            self._fill(system, running, current, filled)
                            taken = self._measure_one(processes, running, system, current, repetition)
                            measurements.append(_measurement(system, setting, current, repetition, taken))
                            self._steps_behind += 1
            except (MeasurementFailed, MissingPeer) as error:
                self._skip(system, str(error), current)
            self._steps_behind = steps_after
        return measurements

    def _measure_one(
        self, processes: Processes, running: Running, system: System, workload: Workload, repetition: int
    ) -> tuple[Measured, float | None]:
        """Operations in a batch stand beside the measured figures."""
        effort = self._plan.effort
        seconds, warm_up = effort.seconds, effort.warm_up
        if repetition == TRIAL:
            seconds = effort.tuning_seconds
            warm_up = seconds / 2
        before = running.batches()
        if workload.load is Load.REDIS_BENCHMARK:
            measured = _with_redis_benchmark(processes, running, workload, seconds)
        else:
            measured = _with_client(running, self._order(system, running, workload, seconds, warm_up))
        processes.check()
        self._throughput[system.name, workload.name] = measured.throughput
        return measured, _operations_in_batch(measured, before, running.batches())

    def _order(self, system: System, running: Running, workload: Workload, seconds: float, warm_up: float) -> Order:
        rate = 0.0
        if workload.share:
            whole = self._throughput.get((system.name, workload.reference))
            if whole is None:
                raise MeasurementFailed(f"its throughput in {workload.reference} is not known: measure that too")
            rate = workload.share * whole
        return Order(
            outstanding=workload.outstanding,
            rate=rate,
            seconds=seconds,
            warm_up=warm_up,
            roles=running.roles,
            operations=workload.operations,
            interface=running.interface,
        )

    def _fill(self, system: System, running: Running, workload: Workload, filled: set[tuple[int, int]]) -> None:
        """Set all keys that the workload wants set, unless an earlier one on the same processes did. Then work without
        measuring until the checkpoints that hash all these keys are over."""
        operations = workload.operations
        state = (operations.keys, operations.value_bytes)
        if operations.wants_keys_filled and state not in filled and running.load is not None:
            running.load.fill(operations)
            seconds = _SETTLE_SECONDS + operations.keys / _SETTLED_A_SECOND
            running.load.measure(self._order(system, running, workload, seconds, 0.0))
            filled.clear()
            filled.add(state)


def _measurement(
    system: System, setting: Setting, workload: Workload, repetition: int, taken: tuple[Measured, float | None]
) -> Measurement:
    measured, operations_in_batch = taken
    return Measurement(
        system=system.name,
        workload=workload.name,
        repetition=repetition,
        setting=setting.name,
        measured=measured,
        operations_in_batch=operations_in_batch,
    )


def _with_client(running: Running, order: Order) -> Measured:
    if running.load is None:
        raise MeasurementFailed("it has no load process")
    return running.load.measure(order)


def _with_redis_benchmark(processes: Processes, running: Running, workload: Workload, seconds: float) -> Measured:
    if running.redis_port is None:
        raise MeasurementFailed("it has no port for redis-benchmark")
    return redis_benchmark.measure(processes, running.redis_port, workload, seconds, running.roles)


def _operations_in_batch(measured: Measured, before: int | None, after: int | None) -> float | None:
    if before is None or after is None or after <= before:
        return None
    return measured.operations_in_all / (after - before)

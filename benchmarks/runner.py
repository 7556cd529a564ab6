"""Carries out a plan: starts one system at a time, measures, stops it, and takes the next."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import redis_benchmark
from benchmarks.load.order import Order
from benchmarks.measurement import Measured, Measurement, MeasurementFailed, MissingPeer, Skipped
from benchmarks.plan import Effort, Load, Workload, in_turn
from benchmarks.processes import Processes
from benchmarks.systems.system import Running, Setting, System

TRIAL = -1
"""The repetition in which settings are tried."""

Progress = Callable[[str, int], None]
"""Told what is done next, and how many steps are behind."""
Warn = Callable[[str], None]
"""Told at once what cannot be measured, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

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
        return len(self.workloads_of(system)) * (self.effort.repetitions + _trials(system))


def _trials(system: System) -> int:
    return len(system.settings) if len(system.settings) > 1 else 0


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
        """Try every setting on every workload for a moment; the one with the highest throughput is taken."""
        workloads = self._plan.workloads_of(system)
        if len(system.settings) == 1:
            self._setting.update({(system.name, workload.name): system.settings[0] for workload in workloads})
            return
        best: dict[str, float] = {}
        for setting in system.settings:
            for measurement in self._measure(system, setting, workloads, TRIAL):
                self.trials.append(measurement)
                throughput = measurement.measured.throughput
                if throughput > best.get(measurement.workload, 0.0):
                    best[measurement.workload] = throughput
                    self._setting[system.name, measurement.workload] = setting

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
                    with self._started(system, setting, load) as (processes, running):
                        for current in chosen:
                            self._progress(f"{title}: {current.title}", self._steps_behind)
                            taken = self._measure_one(processes, running, current, repetition)
                            measurements.append(_measurement(system, setting, current, repetition, taken))
                            self._steps_behind += 1
            except (MeasurementFailed, MissingPeer) as error:
                self._skip(system, str(error), current)
            self._steps_behind = steps_after
        return measurements

    def _measure_one(
        self, processes: Processes, running: Running, workload: Workload, repetition: int
    ) -> tuple[Measured, float | None]:
        """Operations in a batch stand beside the measured figures."""
        effort = self._plan.effort
        seconds, warm_up = effort.seconds, effort.warm_up
        if repetition == TRIAL:
            seconds = effort.tuning_seconds
            warm_up = seconds / 2
        before = running.batches()
        measured = _MEASURES[workload.load](processes, running, workload, seconds, warm_up)
        processes.check()
        return measured, _operations_in_batch(measured, before, running.batches())

    @contextmanager
    def _started(self, system: System, setting: Setting, load: Load) -> Iterator[tuple[Processes, Running]]:
        with (
            tempfile.TemporaryDirectory(prefix="quorate-benchmark-", dir=self._directory) as folder,
            Processes(Path(folder)) as processes,
        ):
            yield processes, system.start(processes, setting, load)


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


def _with_client(
    _processes: Processes, running: Running, workload: Workload, seconds: float, warm_up: float
) -> Measured:
    if running.load is None:
        raise MeasurementFailed("it has no load process")
    order = Order(outstanding=workload.outstanding, seconds=seconds, warm_up=warm_up, roles=running.roles)
    return running.load.measure(order)


def _with_redis_benchmark(
    processes: Processes, running: Running, workload: Workload, seconds: float, _warm_up: float
) -> Measured:
    if running.redis_port is None:
        raise MeasurementFailed("it has no port for redis-benchmark")
    return redis_benchmark.measure(processes, running.redis_port, workload, seconds, running.roles)


_MEASURES = {Load.CLIENT: _with_client, Load.REDIS_BENCHMARK: _with_redis_benchmark}


def _operations_in_batch(measured: Measured, before: int | None, after: int | None) -> float | None:
    if before is None or after is None or after <= before:
        return None
    return measured.operations_in_all / (after - before)

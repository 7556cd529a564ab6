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
        """Measurements that chose a peer's settings; repetition -1."""
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
        seconds = self._plan.effort.tuning_seconds
        for setting in system.settings:
            for measurement in self._measure(system, setting, workloads, -1, seconds, seconds / 2):
                self.trials.append(measurement)
                throughput = measurement.measured.throughput
                if throughput > best.get(measurement.workload, 0.0):
                    best[measurement.workload] = throughput
                    self._setting[system.name, measurement.workload] = setting

    def _measure_all(self, system: System, repetition: int) -> None:
        """All workloads of a system, those with the same setting together."""
        effort = self._plan.effort
        for setting in system.settings:
            workloads = [
                workload
                for workload in self._plan.workloads_of(system)
                if self._setting.get((system.name, workload.name)) == setting
            ]
            if workloads:
                taken = self._measure(system, setting, workloads, repetition, effort.seconds, effort.warm_up)
                self.measurements.extend(taken)

    def _measure(
        self,
        system: System,
        setting: Setting,
        workloads: Sequence[Workload],
        repetition: int,
        seconds: float,
        warm_up: float,
    ) -> Iterator[Measurement]:
        """Start a system, measure the workloads, stop it. A failure ends it early."""
        title = f"{system.title}{', ' + setting.name if setting.name else ''}"
        self._progress(f"{title}: starting", self._steps_behind)
        steps_after = self._steps_behind + len(workloads)
        current = None
        try:
            with self._started(system, setting) as (processes, running):
                for workload in workloads:
                    current = workload
                    self._progress(f"{title}: {workload.title}", self._steps_behind)
                    measure = _MEASURES[workload.load]
                    before = running.batches()
                    measured = measure(processes, running, workload, seconds, warm_up)
                    yield Measurement(
                        system=system.name,
                        workload=workload.name,
                        repetition=repetition,
                        setting=setting.name,
                        measured=measured,
                        operations_in_batch=_operations_in_batch(measured, before, running.batches()),
                    )
                    self._steps_behind += 1
        except (MeasurementFailed, MissingPeer) as error:
            self._skip(system, str(error), current)
        self._steps_behind = steps_after

    @contextmanager
    def _started(self, system: System, setting: Setting) -> Iterator[tuple[Processes, Running]]:
        with (
            tempfile.TemporaryDirectory(prefix="quorate-benchmark-", dir=self._directory) as folder,
            Processes(Path(folder)) as processes,
        ):
            yield processes, system.start(processes, setting)


def _with_client(
    processes: Processes, running: Running, workload: Workload, seconds: float, warm_up: float
) -> Measured:
    order = Order(outstanding=workload.outstanding, seconds=seconds, warm_up=warm_up, roles=running.roles)
    measured = running.load.measure(order)
    processes.check()
    return measured


def _with_redis_benchmark(
    processes: Processes, running: Running, workload: Workload, seconds: float, warm_up: float
) -> Measured:
    if running.redis_port is None:
        raise MeasurementFailed("it has no port for redis-benchmark")
    measured = redis_benchmark.measure(processes, running.redis_port, workload, seconds, running.roles)
    processes.check()
    return measured


_MEASURES = {Load.CLIENT: _with_client, Load.REDIS_BENCHMARK: _with_redis_benchmark}


def _operations_in_batch(measured: Measured, before: int | None, after: int | None) -> float | None:
    if before is None or after is None or after <= before:
        return None
    return measured.operations_in_all / (after - before)

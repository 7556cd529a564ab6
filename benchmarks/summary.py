"""Medians, spread and ratios of a run's measurements. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

import msgspec

from benchmarks.measurement import Measurement

NOISE_LIMIT = 0.1
"""Above this share of the machine used by other programs, a figure is marked as disturbed."""


class Spread(msgspec.Struct, frozen=True):
    """The median of the repetitions, and the extremes."""

    median: float
    low: float
    high: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All repetitions of one system under one workload."""

    system: str
    workload: str
    repetitions: int
    setting: str
    throughput: Spread
    latency: dict[str, float]
    """The medians of the repetitions' percentiles, in seconds."""
    processor_microseconds: dict[str, float]
    """For one operation, of one process of each role."""
    processor_microseconds_in_all: float
    """For one operation, of all processes together, the load's too: what bounds the throughput of a small machine."""
    operations_in_batch: float | None
    failures: int
    others_share: float
    """The largest of the repetitions."""

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs used enough of the machine to spoil the figures."""
        return self.others_share > NOISE_LIMIT


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """A system's throughput in units of another's, repetition by repetition."""

    system: str
    other: str
    workload: str
    value: Spread


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(median(values), min(values), max(values))


def _of(measurements: Sequence[Measurement], system: str, workload: str) -> list[Measurement]:
    return [each for each in measurements if each.system == system and each.workload == workload]


def summarize(measurements: Sequence[Measurement], system: str, workload: str) -> Summary | None:
    """The repetitions together; None when there is none."""
    chosen = _of(measurements, system, workload)
    if not chosen:
        return None
    measured = [each.measured for each in chosen]
    batches = [each.operations_in_batch for each in chosen if each.operations_in_batch is not None]
    return Summary(
        system=system,
        workload=workload,
        repetitions=len(chosen),
        setting=chosen[0].setting,
        throughput=spread([each.throughput for each in measured]),
        latency={
            name: median(each.latency[name] for each in measured if name in each.latency)
            for name in measured[0].latency
        },
        processor_microseconds={
            role: 1e6 * mean(each.processor_seconds[role] / each.operations for each in measured)
            for role in measured[0].processor_seconds
        },
        processor_microseconds_in_all=1e6 * mean(each.processor_seconds_in_all / each.operations for each in measured),
        operations_in_batch=median(batches) if batches else None,
        failures=sum(each.failures for each in measured),
        others_share=max(each.others_share for each in measured),
    )


def ratio(measurements: Sequence[Measurement], system: str, other: str, workload: str) -> Ratio | None:
    """How many times the other's throughput the system has. Each repetition is a pair, measured one soon after the
    other, so that what slows the machine for a while slows both. None without a common repetition."""
    ours = {each.repetition: each.measured.throughput for each in _of(measurements, system, workload)}
    theirs = {each.repetition: each.measured.throughput for each in _of(measurements, other, workload)}
    values = [ours[repetition] / theirs[repetition] for repetition in sorted(ours.keys() & theirs.keys())]
    return Ratio(system=system, other=other, workload=workload, value=spread(values)) if values else None

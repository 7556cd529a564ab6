"""Medians, spread and ratios of a run's measurements. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

import msgspec

from benchmarks.latencies import merged, percentiles
from benchmarks.measurement import Measured, Measurement

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
    """Percentiles in seconds, of the samples of all repetitions together; where the load generator gives no samples,
    the medians of the repetitions' percentiles."""
    processor_microseconds: dict[str, float]
    """For one operation, of one process of each role."""
    processor_microseconds_in_all: float
    """For one operation, of all processes together, the load's too: what bounds the throughput of a small machine."""
    processes: int
    """Of the system, the load's left out."""
    operations_in_batch: float | None
    failures: int
    bytes_sent: dict[str, float]
    """For one operation, by all processes of a role; empty where bytes were not counted."""
    bytes_received: dict[str, float]
    others_share: float
    """The largest of the repetitions."""

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs used enough of the machine to spoil the figures."""
        return self.others_share > NOISE_LIMIT

    @property
    def replica_microseconds(self) -> float:
        """For one operation, of the mean process of the system, the load's left out."""
        return (self.processor_microseconds_in_all - self.processor_microseconds["client"]) / max(1, self.processes)


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
        latency=_latency(measured),
        processor_microseconds={
            role: 1e6 * mean(each.processor_seconds[role] / each.operations for each in measured)
            for role in measured[0].processor_seconds
        },
        processor_microseconds_in_all=1e6 * mean(each.processor_seconds_in_all / each.operations for each in measured),
        processes=measured[0].processes,
        operations_in_batch=median(batches) if batches else None,
        failures=sum(each.failures for each in measured),
        bytes_sent=_for_one_operation([each.bytes_sent for each in measured], measured),
        bytes_received=_for_one_operation([each.bytes_received for each in measured], measured),
        others_share=max(each.others_share for each in measured),
    )


def _latency(measured: Sequence[Measured]) -> dict[str, float]:
    if all(each.histogram for each in measured):
        return percentiles(merged(each.histogram for each in measured))
    names = measured[0].latency
    return {name: median(each.latency[name] for each in measured if name in each.latency) for name in names}


def _for_one_operation(counts: Sequence[dict[str, int]], measured: Sequence[Measured]) -> dict[str, float]:
    return {
        role: mean(count[role] / each.operations for count, each in zip(counts, measured, strict=True))
        for role in counts[0]
    }


def latency_ratio(
    measurements: Sequence[Measurement], ours: tuple[str, str], theirs: tuple[str, str], percentile: str
) -> Spread | None:
    """A percentile of a system under a workload in units of another's, repetition by repetition."""
    one = {each.repetition: each.measured.latency[percentile] for each in _of(measurements, *ours)}
    other = {each.repetition: each.measured.latency[percentile] for each in _of(measurements, *theirs)}
    values = [one[repetition] / other[repetition] for repetition in sorted(one.keys() & other.keys())]
    return spread(values) if values else None


def ratio(measurements: Sequence[Measurement], system: str, other: str, workload: str) -> Ratio | None:
    """How many times the other's throughput the system has. Each repetition is a pair, measured one soon after the
    other, so that what slows the machine for a while slows both. None without a common repetition."""
    ours = {each.repetition: each.measured.throughput for each in _of(measurements, system, workload)}
    theirs = {each.repetition: each.measured.throughput for each in _of(measurements, other, workload)}
    values = [ours[repetition] / theirs[repetition] for repetition in sorted(ours.keys() & theirs.keys())]
    return Ratio(system=system, other=other, workload=workload, value=spread(values)) if values else None

"""All that a run found out, as it is written to JSON and as tables, plots and figures read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.measurement import Measurement, Skipped
from benchmarks.summary import Ratio, Spread, Summary, ratio, spread, summarize


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a run measured: systems under workloads."""

    name: str
    title: str
    repetitions: int
    seconds: float
    systems: list[str]
    ours: list[str]
    """Those of the systems that are Quorate."""
    workloads: list[str]
    titles: dict[str, str]
    """Of systems and workloads, by name."""
    ratios: list[Ratio]
    summaries: list[Summary]
    skipped: list[Skipped]
    measurements: list[Measurement]
    trials: list[Measurement]
    """What chose the settings of systems that have several."""

    def ratio(self, system: str, other: str, workload: str) -> Ratio | None:
        """How many times the other's throughput a system has."""
        return ratio(self.measurements, system, other, workload)

    def ratio_text(self, system: str, other: str, workload: str) -> str:
        """A ratio and its extremes; a dash where there is none."""
        found = self.ratio(system, other, workload)
        return text_of(found.value) if found else "-"

    def summary(self, system: str, workload: str) -> Summary | None:
        """What was measured of one system under one workload."""
        return next((each for each in self.summaries if (each.system, each.workload) == (system, workload)), None)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """The primary was killed under load, once."""

    timeout_ms: int
    """How long a request may wait before the primary is suspected."""
    outstanding: int
    rate_before: float
    """Operations a second in the time before."""
    silent_ms: float
    """From the kill to the first reply after the longest time without any."""
    back_ms: float | None
    """From then until the throughput is at 95 % of what it was before; None if it was not within the time."""
    moments: dict[int, int]
    """Answers by millisecond, 0 being the kill."""
    others_share: float


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a long run's replicas took, after so many operations."""

    operations: int
    memory_bytes: int
    """Resident memory of the replica that has most."""
    disk_bytes: int
    """What the files of the replica that has most take."""


class UnderAttack(msgspec.Struct, frozen=True, kw_only=True):
    """Throughput of correct clients while one attack lasts."""

    attack: str
    row: str
    throughput: float
    without_faulty: float
    """That of the n - f correct replicas alone around then: the f others are dead, nobody attacks."""
    latency: dict[str, float]
    views: int
    """By how many views the cluster went on."""
    attacker_share: float
    """The share of the machine's processors that the lying and flooding clients' own process used."""
    others_share: float

    @property
    def share(self) -> float:
        """What is left of the throughput."""
        return self.throughput / self.without_faulty


class Attacks(msgspec.Struct, frozen=True, kw_only=True):
    """All attacks of a run, and what they are measured by."""

    without_attack: float
    """Throughput of all n replicas, when nobody attacks."""
    outcomes: list[UnderAttack]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    machine: dict[str, str | int | float]
    form: str
    comparisons: list[Comparison]
    outages: list[Outage] = []
    looks: list[Look] = []
    attacks: Attacks | None = None
    skipped: list[Skipped] = []
    """What of the rest could not be measured."""

    def comparison(self, name: str) -> Comparison | None:
        """One part, if it was measured."""
        return next((each for each in self.comparisons if each.name == name), None)

    @property
    def all_skipped(self) -> list[Skipped]:
        """What could not be measured, in all parts."""
        return [*(skipped for each in self.comparisons for skipped in each.skipped), *self.skipped]


def text_of(value: Spread) -> str:
    """A median and its extremes."""
    return f"{value.median:.3g} ({value.low:.3g} to {value.high:.3g})"


def spread_of(values: Sequence[float]) -> Spread | None:
    """The spread of some values, None when there is none."""
    return spread(values) if values else None


def all_summaries(
    measurements: Sequence[Measurement], systems: Sequence[str], workloads: Sequence[str]
) -> list[Summary]:
    """Of every system under every workload that was measured, in the order of the tables."""
    found = (summarize(measurements, system, workload) for workload in workloads for system in systems)
    return [summary for summary in found if summary is not None]


def all_ratios(
    measurements: Sequence[Measurement], ours: Sequence[str], systems: Sequence[str], workloads: Sequence[str]
) -> list[Ratio]:
    """Of each of ours to every other system."""
    found = (
        ratio(measurements, system, other, workload)
        for workload in workloads
        for system in ours
        for other in systems
        if other != system
    )
    return [each for each in found if each is not None]

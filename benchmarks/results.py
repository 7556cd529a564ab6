"""All that a run found out, as it is written to JSON and as the tables read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.measurement import Measurement, Skipped
from benchmarks.summary import Ratio, Summary, ratio, summarize


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    machine: dict[str, str | int | float]
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

    def ratio_text(self, system: str, other: str, workload: str) -> str:
        """A ratio and its extremes; a dash where there is none."""
        for each in self.ratios:
            if (each.system, each.other, each.workload) == (system, other, workload):
                return f"{each.value.median:.3g} ({each.value.low:.3g} to {each.value.high:.3g})"
        return "-"


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

"""One measurement: a system under a workload once. And the failures that a run reports instead of one."""

from __future__ import annotations

import msgspec


class MissingPeer(Exception):
    """A peer is not installed. The message says how to install it."""


class MeasurementFailed(Exception):
    """A system did not start, or did not answer as it should."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a load process or redis-benchmark found out."""

    operations: int
    """Answered within the measured seconds."""
    seconds: float
    failures: int = 0
    latency: dict[str, float]
    """Percentiles in seconds, by name."""
    histogram: str = ""
    """All samples, as an HDR histogram in its text form; empty where the load generator gives none."""
    processor_seconds: dict[str, float]
    """Processor time of one process of each role."""
    processor_seconds_in_all: float
    """Of all processes of the system and the load together."""
    processes: int
    """How many processes the system has, the load's left out."""
    others_share: float
    """The share of the machine's processors that programs outside of this measurement used meanwhile."""
    operations_in_all: int
    """Warming up included."""
    bytes_sent: dict[str, int] = {}
    """By all processes of a role, where each has a network interface of its own; else empty."""
    bytes_received: dict[str, int] = {}
    moments: dict[int, int] = {}
    """How many answers came in which millisecond of the monotonic clock, where that was asked for."""

    @property
    def throughput(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A system under a workload, once."""

    system: str
    workload: str
    repetition: int
    setting: str
    """Which of the system's settings it ran with."""
    measured: Measured
    operations_in_batch: float | None = None
    """Mean operations in one batch of a replicated log, where the system tells."""


class Skipped(msgspec.Struct, frozen=True):
    """A system, or one of its workloads, that has no figures, and why."""

    system: str
    reason: str
    workload: str | None = None

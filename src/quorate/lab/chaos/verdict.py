"""What is said of a run. Data."""

from __future__ import annotations

from msgspec import Struct


class Verdict(Struct, frozen=True, kw_only=True):
    """How a run ended."""

    seed: int
    replicas: int
    seconds: float
    """How long faults were begun for."""
    problems: tuple[str, ...] = ()
    """Everything that was broken; none is what everybody hopes for."""
    faults: dict[str, int] = {}
    """How often each hit a replica, a gateway or a file."""
    skipped: dict[str, int] = {}
    """Faults that this machine does not allow."""
    why_skipped: str = ""
    operations: int = 0
    """That were answered."""
    unknown_outcomes: int = 0
    failures: dict[str, int] = {}
    """Why callers did not learn outcomes."""
    keys: int = 0
    longest_outage_seconds: float = 0.0
    """Without any answer, when all replicas had been killed."""
    longest_gap_seconds: float = 0.0
    """Without any answer, when not all had been killed."""
    slowest_recoveries: dict[str, float] = {}
    """From the end of a fault until the replica took part and was not behind, by fault: the longest, in seconds."""
    views: int = 0
    """The highest view at the end."""
    incidents: dict[str, int] = {}
    """What replicas noticed since they last started."""
    apart: tuple[int, ...] = ()
    """Who waited alone for a later view at the end."""

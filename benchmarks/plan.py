"""What a run measures: which workloads, how often, how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

KEYS = 1000
"""Operations go round this many keys, except those of redis-benchmark."""
VALUE_BYTES = 32


class Load(Enum):
    """Who makes the load."""

    CLIENT = "one client process"
    REDIS_BENCHMARK = "redis-benchmark"


@dataclass(frozen=True, slots=True)
class Workload:
    """A closed loop: as soon as an operation is answered, the next one is sent."""

    name: str
    title: str
    load: Load
    outstanding: int
    """Operations that are under way at any time; for redis-benchmark, its connections."""
    pipeline: int = 1
    """Commands that a connection of redis-benchmark sends at once."""


WORKLOADS = (
    Workload("one", "one at a time", Load.CLIENT, 1),
    Workload("c64", "64 concurrent", Load.CLIENT, 64),
    Workload("c256", "256 concurrent", Load.CLIENT, 256),
    Workload("c1000", "1,000 concurrent", Load.CLIENT, 1000),
    Workload("redis-benchmark", "redis-benchmark, 50 connections", Load.REDIS_BENCHMARK, 50),
    Workload("redis-benchmark-P16", "redis-benchmark, 50 connections, -P 16", Load.REDIS_BENCHMARK, 50, pipeline=16),
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a machine's time a run takes."""

    repetitions: int
    seconds: float
    """What one measurement lasts, after warming up."""
    warm_up: float
    tuning_seconds: float
    """What trying one setting of a peer on one workload lasts."""


SHORT = Effort(repetitions=3, seconds=2.0, warm_up=0.5, tuning_seconds=0.5)
FULL = Effort(repetitions=7, seconds=8.0, warm_up=2.0, tuning_seconds=2.0)


def choose(names: Iterable[str], systems: Sequence[str], workloads: Sequence[str]) -> tuple[list[str], list[str]]:
    """What `--only` leaves: a name of a system keeps that system, a name of a workload that workload.

    Without a name of one kind, all of that kind stay. ValueError names what is unknown.
    """
    wanted = set(names)
    unknown = sorted(wanted.difference(systems, workloads))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is neither a system nor a workload; --list shows them")
    return (
        [name for name in systems if name in wanted] or list(systems),
        [name for name in workloads if name in wanted] or list(workloads),
    )


def in_turn(names: Sequence[str], repetition: int) -> list[str]:
    """The order of the systems in a repetition: rotated by one each time, so that none is always first."""
    start = repetition % len(names) if names else 0
    return [*names[start:], *names[:start]]

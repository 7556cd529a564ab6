"""What a run measures: which workloads, how often, how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

KEYS = 1000
"""Operations go round this many keys, except those of redis-benchmark and of workloads that say otherwise."""
VALUE_BYTES = 32
IDENTITIES = 64


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """What is done: SET of a value, or GET."""

    is_read: bool = False
    is_ordered: bool = True
    """Else the cluster is told that it only reads. GETs of which the bytes are counted are ordered: the answers of the
    read-only path come whole from all replicas."""
    keys: int = KEYS
    value_bytes: int = VALUE_BYTES
    is_random: bool = False
    """Whether keys are drawn at random; else one after the other."""

    @property
    def wants_keys_filled(self) -> bool:
        """Whether every key has to have its value beforehand."""
        return self.is_read or self.is_random


DEFAULT_OPERATIONS = Operations()


class Load(Enum):
    """Who makes the load."""

    CLIENT = "one client process"
    IDENTITIES = "one process with 64 clients, each with a key of its own"
    REDIS_BENCHMARK = "redis-benchmark"


@dataclass(frozen=True, slots=True)
class Workload:
    """A closed loop, in which the next operation is sent as soon as one is answered; or an open loop, in which
    operations come on a schedule."""

    name: str
    title: str
    load: Load
    outstanding: int = 1
    """Operations that are under way at any time; for redis-benchmark, its connections."""
    pipeline: int = 1
    """Commands that a connection of redis-benchmark sends at once."""
    operations: Operations = DEFAULT_OPERATIONS
    share: float = 0.0
    """Open loop, if it is above 0: arrivals, as a share of the system's throughput in the workload `reference`."""
    reference: str = ""


ONE = Workload("one", "one at a time", Load.CLIENT, 1)
C64 = Workload("c64", "64 concurrent", Load.CLIENT, 64)
C256 = Workload("c256", "256 concurrent", Load.CLIENT, 256)
C1000 = Workload("c1000", "1,000 concurrent", Load.CLIENT, 1000)
REDIS = Workload("redis-benchmark", "redis-benchmark, 50 connections", Load.REDIS_BENCHMARK, 50)
REDIS_P16 = Workload("redis-benchmark-P16", f"{REDIS.title}, -P 16", Load.REDIS_BENCHMARK, 50, pipeline=16)


def open_loop(percent: int) -> Workload:
    """Arrivals at that share of the throughput with 1,000 concurrent operations."""
    title = f"open loop, {percent} % of the throughput at {C1000.title}"
    return Workload(f"open-{percent}", title, Load.CLIENT, share=percent / 100, reference=C1000.name)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a machine's time a part of a run takes."""

    repetitions: int
    seconds: float
    """What one measurement lasts, after warming up."""
    warm_up: float
    tuning_seconds: float = 0.5
    """What trying one setting of a peer on one workload lasts."""


def in_turn(names: Sequence[str], repetition: int) -> list[str]:
    """The order of the systems in a repetition: rotated by one each time, so that none is always first."""
    start = repetition % len(names) if names else 0
    return [*names[start:], *names[:start]]


def only(wanted: Iterable[str], names: Sequence[str]) -> list[str]:
    """The names that are wanted; all of them when none is."""
    wanted = set(wanted)
    return [name for name in names if name in wanted] or list(names)

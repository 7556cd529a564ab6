"""The parts of a run that compare systems under workloads: which, and with how much effort in which form."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from benchmarks.places import Links
from benchmarks.plan import (
    C64,
    C256,
    C1000,
    IDENTITIES,
    ONE,
    REDIS,
    REDIS_P16,
    Effort,
    Load,
    Operations,
    Workload,
    open_loop,
)
from benchmarks.switches import DIGEST_REPLIES, SEPARATE_TRANSMISSION, SWITCHES, all_but, all_on
from benchmarks.systems.etcd import ETCD, ETCD_TRANSACTIONS
from benchmarks.systems.pysyncobj import PYSYNCOBJ, PYSYNCOBJ_INSTALLED
from benchmarks.systems.quorate import (
    MACS,
    QUORATE,
    QUORATE_MACS,
    QUORATE_SYNC,
    QUORATE_SYNC_MACS,
    Quorate,
)
from benchmarks.systems.redis_server import REDIS_SERVER
from benchmarks.systems.system import System
from benchmarks.systems.unreplicated import UNREPLICATED, Unreplicated


class Form(Enum):
    """How much is done."""

    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Part:
    """Some systems under some workloads, in turn."""

    name: str
    title: str
    systems: tuple[System, ...]
    workloads: tuple[Workload, ...]
    short: Effort
    full: Effort
    only_full: Collection[str] = ()
    """The systems and workloads that the short form leaves out."""

    def systems_in(self, form: Form, named: Collection[str] = ()) -> list[System]:
        """Those that this form measures, and those that are named."""
        return [each for each in self.systems if self._is_in(form, each.name, named)]

    def workloads_in(self, form: Form, named: Collection[str] = ()) -> list[Workload]:
        """Those that this form measures, and those that are named."""
        return [each for each in self.workloads if self._is_in(form, each.name, named)]

    def _is_in(self, form: Form, name: str, named: Collection[str]) -> bool:
        return form is Form.FULL or name not in self.only_full or name in named

    def effort_in(self, form: Form) -> Effort:
        """How often and how long."""
        return self.full if form is Form.FULL else self.short


_SHORT: Final = Effort(repetitions=2, seconds=1.5, warm_up=0.5)
_SHORT_ONCE: Final = replace(_SHORT, repetitions=1)
_FULL: Final = Effort(repetitions=7, seconds=8.0, warm_up=2.0, tuning_seconds=2.0)
_FULL_FEWER: Final = replace(_FULL, repetitions=3)

PEERS: Final = Part(
    "peers",
    "beside its peers",
    (
        QUORATE_MACS,
        QUORATE,
        QUORATE_SYNC_MACS,
        QUORATE_SYNC,
        UNREPLICATED,
        REDIS_SERVER,
        PYSYNCOBJ,
        PYSYNCOBJ_INSTALLED,
        ETCD,
        ETCD_TRANSACTIONS,
    ),
    (ONE, C64, C256, C1000, open_loop(25), open_loop(50), open_loop(75), REDIS, REDIS_P16),
    _SHORT,
    _FULL,
    only_full=(QUORATE_SYNC.name, PYSYNCOBJ_INSTALLED.name, C256.name, "open-25", "open-75"),
)

# ------------------------------------------------------------------------------------------- links that take 1 ms

_FAR: Final = Links(delay_ms=1.0)
FAR_MACS: Final = Quorate("far-macs", "Quorate, 4 replicas, links of 1 ms", MACS, links=_FAR)
FAR_COMMITTED: Final = Quorate(
    "far-committed",
    "Quorate, links of 1 ms, answers only what has committed",
    {**MACS, "tentative_execution": False},
    links=_FAR,
)
FAR_UNREPLICATED: Final = Unreplicated("far-unreplicated", "same engine, unreplicated, links of 1 ms", _FAR)
ONE_GET: Final = Workload(
    "one-get",
    "one GET at a time, not ordered",
    Load.CLIENT,
    1,
    operations=Operations(is_read=True, is_ordered=False),
)
LINKS: Final = Part(
    "links",
    "over links that take 1 ms each way",
    (FAR_MACS, FAR_COMMITTED, FAR_UNREPLICATED),
    (ONE, ONE_GET),
    _SHORT,
    _FULL_FEWER,
)

# ------------------------------------------------------------------------------------------------------ identities

I64: Final = Workload("i64", "64 clients with keys of their own, one operation each", Load.IDENTITIES, IDENTITIES)
IDENTITIES_PART: Final = Part(
    "identities", "64 separate client identities", (QUORATE, QUORATE_MACS), (I64,), _SHORT, _FULL_FEWER
)

# ---------------------------------------------------------------------------------------------------------- growth


def group_of(replicas: int) -> Quorate:
    """A cluster of that size."""
    return Quorate(f"n-{replicas}", f"Quorate, {replicas} replicas", MACS, replicas)


SIZES: Final = (4, 7, 10, 13)
GROWTH: Final = Part(
    "growth",
    "growth with n",
    tuple(map(group_of, SIZES)),
    (C1000,),
    _SHORT,
    _FULL_FEWER,
    only_full=("n-7", "n-10"),
)

STATE_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)


def state_of(keys: int) -> Workload:
    """SETs of random keys of so many, all of which have a value."""
    operations = Operations(keys=keys, is_random=True)
    return Workload(f"state-{keys}", f"64 concurrent, {keys:,} keys", Load.CLIENT, 64, operations=operations)


STATE: Final = Part(
    "state",
    "growth with the state",
    (QUORATE_MACS,),
    tuple(map(state_of, STATE_SIZES)),
    _SHORT_ONCE,
    _FULL_FEWER,
    only_full=("state-10000", "state-1000000"),
)

# ------------------------------------------------------------------------------------------------- values and bytes

VALUE_SIZES: Final = (32, 256, 1024, 4096)


def value_of(size: int, *, is_read: bool) -> Workload:
    """64 concurrent SETs or GETs of values of that size."""
    verb = "get" if is_read else "set"
    operations = Operations(is_read=is_read, value_bytes=size)
    title = f"64 concurrent {verb.upper()}s of {size:,} bytes"
    return Workload(f"{verb}-{size}", title, Load.CLIENT, 64, operations=operations)


_COUNTED: Final = Links(are_counted=True)
NARROW_MEGABITS: Final = 100
_NARROW: Final = Links(megabits=NARROW_MEGABITS)


def _variants(name: str, title: str, links: Links, about: Collection[str]) -> tuple[Quorate, ...]:
    """With everything on, and without each of these optimisations that can be switched."""
    whole = Quorate(name, title, all_on(), links=links)
    without = [
        Quorate(without_of(name, switch.name), f"{title}, without {switch.name}", all_but(switch), links=links)
        for switch in SWITCHES
        if switch.name in about
    ]
    return (whole, *without)


def without_of(system: str, switch: str) -> str:
    """The name of the same system with one optimisation off."""
    return f"{system}-no-{switch}"


VALUES: Final = Part(
    "values",
    "value sizes, and the bytes that travel",
    (
        *_variants("counted", "Quorate, bytes counted", _COUNTED, (SEPARATE_TRANSMISSION, DIGEST_REPLIES)),
        Unreplicated("counted-unreplicated", "same engine, unreplicated, bytes counted", _COUNTED),
    ),
    tuple(value_of(size, is_read=is_read) for is_read in (False, True) for size in VALUE_SIZES),
    _SHORT_ONCE,
    _FULL_FEWER,
    only_full=("set-256", "set-1024", "get-256", "get-1024"),
)
NARROW: Final = Part(
    "narrow",
    f"over links of {NARROW_MEGABITS} Mbit/s",
    (
        *_variants("narrow", f"Quorate, links of {NARROW_MEGABITS} Mbit/s", _NARROW, (SEPARATE_TRANSMISSION,)),
        Unreplicated("narrow-unreplicated", f"same engine, unreplicated, links of {NARROW_MEGABITS} Mbit/s", _NARROW),
    ),
    (value_of(4096, is_read=False),),
    _SHORT_ONCE,
    _FULL_FEWER,
)

# -------------------------------------------------------------------------------------------------------- switches

ALL_ON: Final = Quorate("all-on", "every optimisation on", all_on())


def _switched_off() -> tuple[Quorate, ...]:
    return tuple(
        Quorate(without_of(ALL_ON.name, switch.name), f"without: {switch.title}", all_but(switch))
        for switch in SWITCHES
    )


SWITCHES_PART: Final = Part(
    "switches",
    "what each optimisation brings",
    (ALL_ON, *_switched_off()),
    (ONE, ONE_GET, C64, C1000, value_of(4096, is_read=False), value_of(4096, is_read=True), I64),
    replace(_SHORT, seconds=1.0),
    _FULL_FEWER,
    only_full=(C1000.name, I64.name, without_of(ALL_ON.name, "batching")),
)

PARTS: Final = (PEERS, LINKS, IDENTITIES_PART, GROWTH, STATE, VALUES, NARROW, SWITCHES_PART)

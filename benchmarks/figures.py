"""The figures to reach: what is asked, what was measured beside it in a run, and whether that is enough. Pure.

Nothing here is known beforehand but what is asked: a row that was not measured says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from statistics import median
from typing import Final, NamedTuple

from benchmarks import endurance
from benchmarks.attacks import ALL, WANTED_SHARE
from benchmarks.parts import (
    FAR_COMMITTED,
    FAR_MACS,
    FAR_UNREPLICATED,
    GROWTH,
    I64,
    IDENTITIES_PART,
    LINKS,
    NARROW,
    ONE_GET,
    PEERS,
    SIZES,
    STATE,
    STATE_SIZES,
    VALUES,
    group_of,
    state_of,
    value_of,
    without_of,
)
from benchmarks.plan import C64, C1000, ONE, REDIS, REDIS_P16
from benchmarks.results import Results, spread_of, text_of
from benchmarks.summary import NOISE_LIMIT, Spread, latency_ratio
from benchmarks.switches import DIGEST_REPLIES, SEPARATE_TRANSMISSION
from benchmarks.systems.etcd import ETCD, ETCD_TRANSACTIONS
from benchmarks.systems.pysyncobj import PYSYNCOBJ
from benchmarks.systems.quorate import QUORATE, QUORATE_MACS, QUORATE_SYNC_MACS
from benchmarks.systems.redis_server import REDIS_SERVER


class Verdict(Enum):
    """What is to be said of a row."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


class Row(NamedTuple):
    """One figure."""

    what: str
    asked: str
    measured: str
    verdict: Verdict


class _Found(NamedTuple):
    """What was measured for one row."""

    words: str
    value: float
    is_disturbed: bool = False


_BACK_MS: Final = 1000.0
_OUTAGE_SLACK_MS: Final = 50.0


class _Reader:
    """Looks figures up in a run."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def throughput(self, part: str, system: str, workload: str) -> _Found | None:
        """Operations a second."""
        comparison = self.results.comparison(part)
        summary = comparison.summary(system, workload) if comparison else None
        if summary is None:
            return None
        value = summary.throughput
        words = f"{value.median:,.0f} ({value.low:,.0f} to {value.high:,.0f})"
        return _Found(words, value.median, summary.is_disturbed)

    def ratio(self, part: str, system: str, other: str, workload: str) -> _Found | None:
        """Of throughputs."""
        comparison = self.results.comparison(part)
        found = comparison.ratio(system, other, workload) if comparison else None
        return _of(found.value) if found else None

    def latency_ratio(
        self, part: str, ours: tuple[str, str], theirs: tuple[str, str], percentile: str = "p50"
    ) -> _Found | None:
        """Of a percentile, each of a system under a workload."""
        comparison = self.results.comparison(part)
        value = latency_ratio(comparison.measurements, ours, theirs, percentile) if comparison else None
        return _of(value) if value else None

    def p50(self, part: str, system: str, workload: str) -> _Found | None:
        """In milliseconds."""
        comparison = self.results.comparison(part)
        summary = comparison.summary(system, workload) if comparison else None
        if summary is None:
            return None
        value = 1000 * summary.latency["p50"]
        return _Found(f"{value:.2f} ms", value, summary.is_disturbed)


def _of(value: Spread) -> _Found:
    return _Found(text_of(value), value.median)


def _row(what: str, asked: str, found: _Found | None, is_enough: Callable[[float], bool], beside: str = "") -> Row:
    if found is None:
        return Row(what, asked, "-", Verdict.NOT_MEASURED)
    words = found.words + ("*" if found.is_disturbed else "") + (f"; {beside}" if beside else "")
    return Row(what, asked, words, Verdict.MET if is_enough(found.value) else Verdict.MISSED)


def _at_least(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


def _at_most(limit: float) -> Callable[[float], bool]:
    return lambda value: value <= limit


def rows(results: Results) -> list[Row]:
    """All figures, in the order in which they are asked."""
    read = _Reader(results)
    return [
        *_concurrent(read),
        *_one_at_a_time(read),
        *_far(read),
        *_gateway(read),
        *_bytes(read),
        *_identities(read),
        *_growth(read),
        *_state(read),
        *_outage(read),
        *_endurance(read),
        *_attacks(read),
    ]


def _concurrent(read: _Reader) -> Iterator[Row]:
    ours, part = QUORATE_MACS.name, PEERS.name
    for workload, times, rate in ((C64, 7, 80_000), (C1000, 3, 200_000)):
        what = f"{workload.title}, memory, MACs"
        found = read.ratio(part, ours, PYSYNCOBJ.name, workload.name)
        yield _row(what, f"{times} times PySyncObj at its best", found, _at_least(times))
        found = read.throughput(part, ours, workload.name)
        yield _row(what, f"{rate:,} a second on a quiet machine", found, _at_least(rate))
    sync = QUORATE_SYNC_MACS.name
    transactions = read.throughput(part, ETCD_TRANSACTIONS.name, C64.name)
    beside = [f"fdatasync {read.results.machine['fdatasync_ms']} ms"]
    if transactions is not None:
        beside.append(f"etcd with 64 puts a transaction {transactions.words} a second")
    own = read.throughput(part, sync, C64.name)
    if own is not None:
        beside.append(f"Quorate {own.words} a second")
    found = read.ratio(part, sync, ETCD.name, C64.name)
    yield _row(
        "64 concurrent, sync",
        "1.5 times etcd with three nodes (3 is aimed for)",
        found,
        _at_least(1.5),
        "; ".join(beside),
    )


def _one_at_a_time(read: _Reader) -> Iterator[Row]:
    ours, part = QUORATE_MACS.name, PEERS.name
    what = "one at a time, memory, MACs"
    found = read.latency_ratio(part, (ours, ONE.name), (PYSYNCOBJ.name, ONE.name))
    yield _row(what, "p50 at most 0.85 of PySyncObj's at its best", found, _at_most(0.85))
    yield _row(what, "p50 at most 0.5 ms on a quiet machine", read.p50(part, ours, ONE.name), _at_most(0.5))
    found = read.latency_ratio(part, (QUORATE_SYNC_MACS.name, ONE.name), (ETCD.name, ONE.name))
    yield _row("one at a time, sync", "p50 at most 3 times etcd's", found, _at_most(3.0))


def _far(read: _Reader) -> Iterator[Row]:
    what = "one at a time over links of 1 ms"
    for title, limit, system, workload in (
        ("", 2.7, FAR_COMMITTED, ONE),
        (" with tentative execution", 2.2, FAR_MACS, ONE),
        (" for read-only operations", 1.1, FAR_MACS, ONE_GET),
    ):
        theirs = (FAR_UNREPLICATED.name, workload.name)
        found = read.latency_ratio(LINKS.name, (system.name, workload.name), theirs)
        yield _row(what, f"p50 at most {limit:g} times unreplicated{title}", found, _at_most(limit))


def _gateway(read: _Reader) -> Iterator[Row]:
    ours, part = QUORATE_MACS.name, PEERS.name
    found = read.ratio(part, ours, REDIS_SERVER.name, REDIS.name)
    yield _row(REDIS.title, "a quarter of redis-server's", found, _at_least(0.25))
    for workload, rate in ((REDIS, 40_000), (REDIS_P16, 120_000)):
        found = read.throughput(part, ours, workload.name)
        yield _row(workload.title, f"{rate:,} a second", found, _at_least(rate))


def _bytes(read: _Reader) -> Iterator[Row]:
    arguments, results = value_of(4096, is_read=False).name, value_of(4096, is_read=True).name
    sent = _bytes_ratio(read, SEPARATE_TRANSMISSION, arguments, "primary")
    asked = "separate transmission: the primary sends at most 40 % of the bytes"
    yield _row("4 KiB arguments", asked, sent, _at_most(0.4))
    narrow = VALUES_NARROW
    found = read.ratio(NARROW.name, narrow, without_of(narrow, SEPARATE_TRANSMISSION), arguments)
    asked = "separate transmission: 1.5 times the throughput on links of limited bandwidth"
    yield _row("4 KiB arguments", asked, found, _at_least(1.5))
    received = _bytes_ratio(read, DIGEST_REPLIES, results, "client")
    asked = "digest replies: the client receives at most 40 % of the bytes"
    yield _row("4 KiB results", asked, received, _at_most(0.4))


VALUES_COUNTED: Final = VALUES.systems[0].name
VALUES_NARROW: Final = NARROW.systems[0].name


def _bytes_ratio(read: _Reader, switch: str, workload: str, role: str) -> _Found | None:
    """What the primary sends, or the client receives, for an operation: with the optimisation, in units of without."""
    comparison = read.results.comparison(VALUES.name)
    if comparison is None:
        return None
    summaries = [comparison.summary(name, workload) for name in (VALUES_COUNTED, without_of(VALUES_COUNTED, switch))]
    carried = [each.bytes_sent if role == "primary" else each.bytes_received for each in summaries if each]
    if len(carried) < 2:
        return None
    whole, without = (each[role] for each in carried)
    return _Found(f"{whole / without:.2f}: {whole:,.0f} bytes an operation in place of {without:,.0f}", whole / without)


def _identities(read: _Reader) -> Iterator[Row]:
    for system, how, rate in ((QUORATE, "signed", 7_000), (QUORATE_MACS, "with MACs", 25_000)):
        found = read.throughput(IDENTITIES_PART.name, system.name, I64.name)
        yield _row(IDENTITIES_PART.title, f"requests {how}: {rate:,} a second", found, _at_least(rate))


def _growth(read: _Reader) -> Iterator[Row]:
    comparison = read.results.comparison(GROWTH.name)
    found = None
    if comparison is not None:
        ends = [comparison.summary(group_of(size).name, C1000.name) for size in (SIZES[0], SIZES[-1])]
        costs = [each.replica_microseconds for each in ends if each]
        if len(costs) == 2:
            grown = costs[1] / costs[0]
            found = _Found(f"{grown:.2f} times ({costs[0]:.1f} us to {costs[1]:.1f} us)", grown)
    asked = f"replica CPU for an operation at most 1.3 times from n = {SIZES[0]} to n = {SIZES[-1]}"
    yield _row(f"growth with n, {C1000.title}", asked, found, _at_most(1.3))


def _state(read: _Reader) -> Iterator[Row]:
    """From the fewest keys to the most that were measured; if these are not all, nothing is met or missed."""
    small, ours = state_of(STATE_SIZES[0]).name, QUORATE_MACS.name
    what = f"growth with the state, {STATE_SIZES[0]:,} to {STATE_SIZES[-1]:,} keys"
    base = read.throughput(STATE.name, ours, small)
    found = [(size, read.throughput(STATE.name, ours, state_of(size).name)) for size in STATE_SIZES[1:]]
    measured = [(size, each) for size, each in found if each]
    asked = ("throughput within 10 %", "p99 within 2 times")
    if base is None or not measured:
        yield from (_row(what, each, None, _at_least(0.0)) for each in asked)
        return
    size, last = measured[-1]
    share = last.value / base.value
    throughput = _Found(f"{share:.2f} of it ({base.value:,.0f} to {last.value:,.0f} a second)", share)
    p99 = read.latency_ratio(STATE.name, (ours, state_of(size).name), (ours, small), "p99")
    for each, value, is_enough in zip(asked, (throughput, p99), (_at_least(0.9), _at_most(2.0)), strict=True):
        row = _row(what, each, value, is_enough, "" if size == STATE_SIZES[-1] else f"to {size:,} keys")
        yield row if size == STATE_SIZES[-1] else row._replace(verdict=Verdict.NOT_MEASURED)


def _outage(read: _Reader) -> Iterator[Row]:
    outages = read.results.outages
    silent = spread_of([each.silent_ms - each.timeout_ms for each in outages])
    found = _Found(f"the time-out and {text_of(silent)} ms", silent.median) if silent else None
    what = "primary killed under load"
    yield _row(what, "first reply after the time-out and 50 ms", _disturbed(found, outages), _at_most(_OUTAGE_SLACK_MS))
    backs = [float("inf") if each.back_ms is None else each.back_ms for each in outages]
    found = None
    if backs:
        middle = median(backs)
        found = _Found("not within the time" if middle == float("inf") else f"after {middle:,.0f} ms", middle)
    asked = "throughput back to 95 % within a second"
    yield _row(what, asked, _disturbed(found, outages), _at_most(_BACK_MS))


def _disturbed(found: _Found | None, outages: Sequence[object]) -> _Found | None:
    shares = [getattr(each, "others_share", 0.0) for each in outages]
    return found._replace(is_disturbed=max(shares, default=0.0) > NOISE_LIMIT) if found else None


def _endurance(read: _Reader) -> Iterator[Row]:
    looks, what = read.results.looks, "ten million operations"
    asked = "memory and disk flat after the first million"
    grown = endurance.growth(looks)
    if grown is None:
        yield _row(what, asked, None, _at_most(endurance.FLAT))
        return
    words = f"memory at most {grown[0]:.2f} times, disk {grown[1]:.2f} times what it was"
    if looks[-1].operations < endurance.OPERATIONS:
        yield Row(what, asked, f"{words}, in {looks[-1].operations:,} operations", Verdict.NOT_MEASURED)
        return
    yield _row(what, asked, _Found(words, max(grown)), _at_most(endurance.FLAT))


def _attacks(read: _Reader) -> Iterator[Row]:
    attacks, what = read.results.attacks, "under attack, 64 concurrent, requests signed"
    asked = f"{WANTED_SHARE:.0%} of what n - f replicas do alone, under every attack"
    if attacks is None or not attacks.outcomes:
        yield _row(what, asked, None, _at_least(WANTED_SHARE))
        return
    shares = {each.attack: each.share for each in attacks.outcomes}
    worst = min(shares, key=lambda name: shares[name])
    reached = sum(share >= WANTED_SHARE for share in shares.values())
    words = f"so much under {reached} of the {len(shares)} attacks tried; the worst is {worst} with {shares[worst]:.0%}"
    if reached == len(shares) < len(ALL):
        yield Row(what, asked, f"{words}; there are {len(ALL)}", Verdict.NOT_MEASURED)
        return
    is_disturbed = any(each.others_share > NOISE_LIMIT for each in attacks.outcomes)
    yield _row(what, asked, _Found(words, shares[worst], is_disturbed), _at_least(WANTED_SHARE))

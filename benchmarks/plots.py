"""The pictures of a run: which there are, and what each shows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from benchmarks.attacks import WANTED_SHARE
from benchmarks.charts import Axis, Bar, Bars, Chart, Mark, Series, draw, draw_bars
from benchmarks.parts import (
    GROWTH,
    PEERS,
    SIZES,
    STATE,
    STATE_SIZES,
    VALUE_SIZES,
    VALUES,
    group_of,
    state_of,
    value_of,
)
from benchmarks.plan import C64, C256, C1000, ONE, open_loop
from benchmarks.results import Comparison, Outage, Results

_RATE: Final = "operations a second"
_BIN_MS: Final = 50
_OUTAGE_BEFORE_MS, _OUTAGE_AFTER_MS = -1000, 4000


def plots(results: Results) -> dict[str, str]:
    """The SVG documents, by the names of their files. What was not measured has none."""
    found: dict[str, str | None] = {
        "throughput-latency.svg": _throughput_latency(results),
        "open-loop.svg": _open_loop(results),
        "replicas.svg": _replicas(results),
        "values.svg": _values(results),
        "state.svg": _state(results),
        "view-change.svg": _view_change(results),
        "attacks.svg": _attacks(results),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


CAPTIONS: Final[Mapping[str, str]] = {
    "throughput-latency.svg": "Throughput against latency: 1, 64, 256 and 1,000 operations at a time",
    "open-loop.svg": "Latency of operations that arrive on a schedule, at shares of each system's throughput",
    "replicas.svg": "Throughput against the number of replicas, and what an operation costs one of them",
    "values.svg": "Throughput against the size of values",
    "state.svg": "Throughput against the number of keys",
    "view-change.svg": "The primary is killed under load",
    "attacks.svg": "Throughput of correct clients under each attack",
}


def _chart(title: str, x: Axis, y: Axis, series: list[Series], marks: tuple[Mark, ...] = ()) -> str | None:
    chosen = [each for each in series if each.points]
    return draw(Chart(title, x, y, chosen, marks)) if chosen else None


def _throughput_latency(results: Results) -> str | None:
    part = results.comparison(PEERS.name)
    if part is None:
        return None
    series = []
    for system in part.systems:
        summaries = [part.summary(system, workload.name) for workload in (ONE, C64, C256, C1000)]
        points = [(each.throughput.median, 1000 * each.latency["p50"]) for each in summaries if each]
        series.append(Series(part.titles[system], points))
    return _chart(
        "Throughput against latency, 1 to 1,000 operations at a time",
        Axis(_RATE, is_logarithmic=True),
        Axis("median latency, ms", is_logarithmic=True),
        series,
    )


def _open_loop(results: Results) -> str | None:
    part = results.comparison(PEERS.name)
    if part is None:
        return None
    shares = (25, 50, 75)
    series = []
    for system in part.systems:
        summaries = [(share, part.summary(system, open_loop(share).name)) for share in shares]
        points = [(float(share), 1000 * each.latency["p99"]) for share, each in summaries if each]
        series.append(Series(part.titles[system], points))
    return _chart(
        "Operations that arrive on a schedule: latency from the moment of arrival",
        Axis("arrivals, % of the system's throughput with 1,000 operations at a time"),
        Axis("99th percentile of latency, ms", is_logarithmic=True),
        series,
    )


def _replicas(results: Results) -> str | None:
    part = results.comparison(GROWTH.name)
    if part is None:
        return None
    summaries = [(size, part.summary(group_of(size).name, C1000.name)) for size in SIZES]
    found = [(float(size), each) for size, each in summaries if each]
    if not found:
        return None
    first, base = found[0]
    return _chart(
        "Growth with the number of replicas, 1,000 operations at a time",
        Axis("replicas"),
        Axis(f"times what it is with {first:.0f} replicas"),
        [
            Series(
                f"throughput ({base.throughput.median:,.0f} a second with {first:.0f})",
                [(n, each.throughput.median / base.throughput.median) for n, each in found],
            ),
            Series(
                f"processor time of one replica ({base.replica_microseconds:.1f} us an operation)",
                [(n, each.replica_microseconds / base.replica_microseconds) for n, each in found],
            ),
        ],
    )


def _by_workload(part: Comparison, title: str, system: str, workloads: Mapping[float, str]) -> Series:
    found = [(x, part.summary(system, workload)) for x, workload in workloads.items()]
    return Series(title, [(x, each.throughput.median) for x, each in found if each])


def _values(results: Results) -> str | None:
    part = results.comparison(VALUES.name)
    if part is None:
        return None
    series = [
        _by_workload(
            part,
            f"{part.titles[system]}: {verb}",
            system,
            {float(size): value_of(size, is_read=verb == "GET").name for size in VALUE_SIZES},
        )
        for system in part.systems
        for verb in ("SET", "GET")
    ]
    return _chart(
        "Throughput against the size of values, 64 operations at a time",
        Axis("bytes of a value", is_logarithmic=True),
        Axis(_RATE, is_logarithmic=True),
        series,
    )


def _state(results: Results) -> str | None:
    part = results.comparison(STATE.name)
    if part is None:
        return None
    workloads = {float(size): state_of(size).name for size in STATE_SIZES}
    return _chart(
        "Throughput against the size of the state, 64 SETs of random keys at a time",
        Axis("keys, all of which have a value", is_logarithmic=True),
        Axis(_RATE),
        [_by_workload(part, part.titles[system], system, workloads) for system in part.systems],
    )


def _view_change(results: Results) -> str | None:
    if not results.outages:
        return None
    series = [
        Series(_title_of(number, outage), _rates(outage), has_marks=False)
        for number, outage in enumerate(results.outages, 1)
    ]
    timeout = results.outages[0].timeout_ms
    marks = (Mark(0.0, "killed"), Mark(timeout / 1000, "time-out"))
    return _chart(
        f"The primary is killed, {results.outages[0].outstanding} operations at a time",
        Axis("seconds after the kill"),
        Axis(f"{_RATE}, in steps of {_BIN_MS} ms"),
        series,
        marks,
    )


def _title_of(number: int, outage: Outage) -> str:
    return f"run {number}: first reply after {outage.silent_ms:,.0f} ms"


def _rates(outage: Outage) -> list[tuple[float, float]]:
    bins: Counter[int] = Counter()
    for moment, count in outage.moments.items():
        bins[moment // _BIN_MS] += count
    first = max(min(bins), _OUTAGE_BEFORE_MS // _BIN_MS)
    last = min(max(bins), _OUTAGE_AFTER_MS // _BIN_MS)
    return [(at * _BIN_MS / 1000, bins[at] * 1000 / _BIN_MS) for at in range(first, last)]


def _attacks(results: Results) -> str | None:
    attacks = results.attacks
    if attacks is None or not attacks.outcomes:
        return None
    bars = []
    for each in sorted(attacks.outcomes, key=lambda outcome: outcome.share):
        words = f"{each.share:.0%}, p99 {1000 * each.latency['p99']:.0f} ms, view {each.views}"
        bars.append(Bar(f"{each.attack} ({each.row})", each.share, words, is_bad=each.share < WANTED_SHARE))
    return draw_bars(
        Bars(
            "Throughput of correct clients under each attack, with a flooding client",
            "in units of the throughput of the n - f correct replicas alone",
            bars,
            WANTED_SHARE,
            f"{WANTED_SHARE:.0%}",
        )
    )

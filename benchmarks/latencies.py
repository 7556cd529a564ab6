"""Latencies in HDR histograms (Gil Tene's High Dynamic Range): three digits of every sample, small, mergeable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hdrh.histogram import HdrHistogram

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_UNITS_A_SECOND = 10_000_000
"""Samples are counted in units of 100 ns: the shortest latency on loopback, some 20 us, then has three digits."""
_LARGEST = 600 * _UNITS_A_SECOND
_DIGITS = 3


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest sample that *percent* of all samples are not above. *ordered* is sorted and not empty."""
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def histogram(samples: Iterable[float]) -> str:
    """The samples, in seconds, as a histogram in the text form (V2, compressed) that all HdrHistogram tools read.

    Clients keep exact samples while they measure, and make the histogram afterwards: a list's append is the cheapest.
    """
    counted = HdrHistogram(1, _LARGEST, _DIGITS)
    for units, count in Counter(round(sample * _UNITS_A_SECOND) for sample in samples).items():
        counted.record_value(min(max(units, 1), _LARGEST), count)
    return bytes(counted.encode()).decode()


def merged(histograms: Iterable[str]) -> str:
    """All samples of several histograms in one."""
    whole = HdrHistogram(1, _LARGEST, _DIGITS)
    for each in histograms:
        whole.add(HdrHistogram.decode(each.encode()))
    return bytes(whole.encode()).decode()


def count(text: str) -> int:
    """How many samples a histogram holds."""
    return int(HdrHistogram.decode(text.encode()).total_count)


def percentiles(text: str) -> dict[str, float]:
    """The percentiles that are reported, in seconds, by name: p50, p90, p99, p99.9. Empty without samples."""
    read = HdrHistogram.decode(text.encode())
    if not read.total_count:
        return {}
    return {f"p{percent:g}": read.get_value_at_percentile(percent) / _UNITS_A_SECOND for percent in PERCENTILES}

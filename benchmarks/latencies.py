"""Latencies: exact percentiles of all samples, and a histogram that is small enough to keep. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_PRECISION_BITS = 8
"""A histogram's buckets are narrower than 1/128 of their values."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest sample that *percent* of all samples are not above. *ordered* is sorted and not empty."""
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """The percentiles that are reported, by name: p50, p90, p99, p99.9. Empty without samples."""
    ordered = sorted(samples)
    return {f"p{percent:g}": percentile(ordered, percent) for percent in PERCENTILES} if ordered else {}


def bucket(nanoseconds: int) -> int:
    """The lower edge of the histogram's bucket: the leading eight bits of the value, as an HDR histogram has them."""
    shift = max(0, nanoseconds.bit_length() - _PRECISION_BITS)
    return nanoseconds >> shift << shift


def histogram(samples: Sequence[float]) -> dict[int, int]:
    """How many of the samples, in seconds, lie in each bucket, named by its lower edge in nanoseconds."""
    return dict(sorted(Counter(bucket(int(sample * 1e9)) for sample in samples).items()))

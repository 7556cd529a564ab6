"""Percentiles and histograms."""

from __future__ import annotations

import pytest
from benchmarks.latencies import count, histogram, merged, percentile, percentiles
from hypothesis import given, settings
from hypothesis import strategies as st

LATENCIES = st.lists(st.floats(1e-7, 500), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50.0, 500), (90.0, 900), (99.0, 990), (99.9, 999), (100.0, 1000), (0.0, 1)]
)
def test_a_percentile_is_the_sample_that_so_many_are_not_above(percent, expected):
    assert percentile(range(1, 1001), percent) == expected


@settings(max_examples=20)
@given(LATENCIES)
def test_percentiles_of_a_histogram_are_those_of_the_samples_to_three_digits(samples):
    found = percentiles(histogram(samples))

    ordered, half_a_rank = sorted(samples), 50 / len(samples)
    for name, percent in (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)):
        low = percentile(ordered, max(0.0, percent - half_a_rank))
        high = percentile(ordered, min(100.0, percent + half_a_rank))
        assert low * 0.999 - 1e-7 <= found[name] <= high * 1.001 + 1e-7
    assert list(found.values()) == sorted(found.values())


@settings(max_examples=20)
@given(LATENCIES, LATENCIES)
def test_merged_histograms_are_one_of_all_samples(one, other):
    assert percentiles(merged([histogram(one), histogram(other)])) == percentiles(histogram([*one, *other]))


def test_the_names_of_percentiles():
    assert list(percentiles(histogram([1.0]))) == ["p50", "p90", "p99", "p99.9"]
    assert percentiles(histogram([])) == {}


def test_a_histogram_counts_every_sample_also_those_beyond_its_ends():
    assert count(histogram([0.0, 1e-9, 1e-3, 1e-3, 1e6])) == 5

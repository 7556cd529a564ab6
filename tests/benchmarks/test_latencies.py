"""Percentiles and histograms."""

from __future__ import annotations

import pytest
from benchmarks.latencies import bucket, histogram, percentile, percentiles
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("percent", "expected"), [(50.0, 500), (90.0, 900), (99.0, 990), (99.9, 999), (100.0, 1000), (0.0, 1)]
)
def test_a_percentile_is_the_sample_that_so_many_are_not_above(percent, expected):
    assert percentile(range(1, 1001), percent) == expected


@given(st.lists(st.floats(0, 1e3), min_size=1))
def test_percentiles_are_samples_and_grow(samples):
    found = list(percentiles(samples).values())

    assert found == sorted(found)
    assert set(found) <= set(samples)


def test_the_names_of_percentiles():
    assert list(percentiles([1.0])) == ["p50", "p90", "p99", "p99.9"]
    assert percentiles([]) == {}


@given(st.integers(0, 10**12))
def test_a_bucket_is_below_its_values_by_less_than_a_128th(nanoseconds):
    edge = bucket(nanoseconds)

    assert edge <= nanoseconds
    assert (nanoseconds - edge) * 128 <= nanoseconds
    assert bucket(edge) == edge


def test_a_histogram_counts_every_sample_once():
    assert histogram([1e-9, 1e-9, 3e-9]) == {1: 2, 3: 1}

"""Medians, spread and ratios, and the tables that show them."""

from __future__ import annotations

import msgspec
import pytest
from benchmarks.latencies import histogram
from benchmarks.measurement import Measured, Measurement, Skipped
from benchmarks.report import markdown, notes, tables
from benchmarks.results import Comparison, Results, all_ratios, all_summaries
from benchmarks.summary import Spread, latency_ratio, ratio, summarize

TITLES = {"ours": "Ours", "peer": "The Peer", "absent": "Another", "load": "some load"}
MACHINE = {
    "date": "today",
    "commit": "abc",
    "processors": 2,
    "processor": "made up",
    "system": "Linux",
    "python": "3.11",
    "fdatasync_ms": 0.5,
    "load_average": 0.1,
}


def measurement(system: str, repetition: int, operations: int, others_share: float = 0.0) -> Measurement:
    """Two seconds of some load."""
    measured = Measured(
        operations=operations,
        seconds=2.0,
        latency={"p50": 0.001 * (1 + repetition), "p99": 0.005},
        processor_seconds={"server": operations / 1e6, "client": 2 * operations / 1e6},
        processor_seconds_in_all=4 * operations / 1e6,
        processes=1,
        others_share=others_share,
        operations_in_all=2 * operations,
    )
    return Measurement(system=system, workload="load", repetition=repetition, setting="", measured=measured)


def results(measurements: list[Measurement], skipped: list[Skipped] | None = None) -> Results:
    """The results of a run that measured these."""
    systems = ["ours", "peer", "absent"]
    comparison = Comparison(
        name="part",
        title="a part",
        repetitions=3,
        seconds=2.0,
        systems=systems,
        ours=["ours"],
        workloads=["load"],
        titles=TITLES,
        ratios=all_ratios(measurements, ["ours"], systems, ["load"]),
        summaries=all_summaries(measurements, systems, ["load"]),
        skipped=skipped or [],
        measurements=measurements,
        trials=[],
    )
    return Results(machine=MACHINE, form="short", comparisons=[comparison])


MEASUREMENTS = [
    *(measurement("ours", repetition, operations) for repetition, operations in enumerate([100, 300, 200])),
    *(measurement("peer", repetition, operations) for repetition, operations in enumerate([100, 100, 50])),
]


def test_a_summary_has_the_median_and_the_extremes():
    summary = summarize(MEASUREMENTS, "ours", "load")

    assert summary is not None
    assert summary.throughput == Spread(100.0, 50.0, 150.0)
    assert summary.latency == {"p50": 0.002, "p99": 0.005}
    assert summary.processor_microseconds == pytest.approx({"server": 1.0, "client": 2.0})
    assert summary.processor_microseconds_in_all == pytest.approx(4.0)
    assert summary.replica_microseconds == pytest.approx(2.0)
    assert not summary.is_disturbed
    assert summarize(MEASUREMENTS, "absent", "load") is None


def test_a_ratio_pairs_the_repetitions():
    found = ratio(MEASUREMENTS, "ours", "peer", "load")

    assert found is not None
    assert found.value == Spread(3.0, 1.0, 4.0)
    assert ratio(MEASUREMENTS, "ours", "absent", "load") is None


def test_a_repetition_that_one_of_two_lacks_is_in_no_ratio():
    found = ratio(MEASUREMENTS[1:], "ours", "peer", "load")

    assert found is not None
    assert found.value == Spread(3.5, 3.0, 4.0)


def test_percentiles_of_histograms_are_of_all_samples_together():
    slow, fast = measurement("ours", 0, 100), measurement("ours", 1, 100)
    slow, fast = (
        msgspec.structs.replace(each, measured=msgspec.structs.replace(each.measured, histogram=histogram(samples)))
        for each, samples in ((slow, [1.0]), (fast, [0.001] * 9))
    )

    summary = summarize([slow, fast], "ours", "load")

    assert summary is not None
    assert summary.latency["p50"] == pytest.approx(0.001, rel=1e-3)
    assert summary.latency["p99.9"] == pytest.approx(1.0, rel=1e-3)


def test_a_ratio_of_latencies_pairs_the_repetitions():
    found = latency_ratio(MEASUREMENTS, ("ours", "load"), ("peer", "load"), "p50")

    assert found == Spread(1.0, 1.0, 1.0)
    assert latency_ratio(MEASUREMENTS, ("ours", "load"), ("absent", "load"), "p50") is None


def test_ratios_come_first():
    ratios, figures = tables(results(MEASUREMENTS))

    assert ratios.columns == ["throughput in units of", "The Peer", "Another"]
    assert ratios.rows == [["some load", "3 (1 to 4)", "-"]]
    assert [row[:2] for row in figures.rows] == [["Ours", "100 (50 to 150)"], ["The Peer", "50 (25 to 50)"]]


def test_other_programs_work_is_marked():
    report = results([measurement("ours", 0, 100, others_share=0.3)])

    assert tables(report)[0].rows[0][1] == "50 (50 to 50)*"
    assert any(line.startswith("* Other programs") for line in notes(report))


def test_what_was_not_measured_is_named():
    report = results(MEASUREMENTS, [Skipped("absent", "install it", "load"), Skipped("peer", "it broke")])

    assert notes(report)[-2:] == [
        "Not measured: Another, some load: install it",
        "Not measured: The Peer: it broke",
    ]


def test_markdown_has_every_table():
    text = markdown(results(MEASUREMENTS))

    assert "### Ours\n\n| throughput in units of | The Peer | Another |\n| --- | ---: | ---: |" in text
    assert "### a part: some load" in text


def test_results_come_back_from_json():
    report = results(MEASUREMENTS, [Skipped("absent", "install it")])

    assert msgspec.json.decode(msgspec.json.encode(report), type=Results) == report

"""A worker's part: seeds are run, observed, and summed up."""

from __future__ import annotations

import msgspec
import pytest

from quorate.campaign import chunk as chunk_module
from quorate.campaign.chunk import Chunk, run, run_chunk
from quorate.campaign.observation import branches_of
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import RAISED, Summary, Tally
from quorate.sim.checkers import Verdict
from quorate.sim.explore import Campaign, SeedReport, run_seed

SMALL = Selection("mixed", (4,))


def summary_of(first: int, end: int, selection: Selection = SMALL, is_sample: bool = False) -> Summary:
    encoded = run_chunk(msgspec.json.encode(Chunk(selection, Seeds(first, end), 600.0, is_sample)))
    return msgspec.json.decode(encoded, type=Summary)


def comparable(tally: Tally) -> dict[str, object]:
    content = {name: getattr(tally, name) for name in Tally.__struct_fields__}
    cells = sorted((cell.profile, cell.replicas, cell.seeds, cell.messages, cell.views) for cell in tally.cells)
    return {**content, "cells": cells}


def test_parts_add_up_to_the_whole() -> None:
    together = Tally()
    for first, end in ((5, 8), (8, 9)):
        together.add(summary_of(first, end))
    assert comparable(together) == comparable(summary_of(5, 9))
    assert together.total().seeds == 4


def test_a_seed_does_what_it_does_in_quorate_sim() -> None:
    report = run_seed(5, Campaign("traitors", 4))
    summary = summary_of(5, 6)
    (cell,) = summary.cells
    assert (cell.profile, cell.messages, cell.virtual_time) == (
        "traitors",
        report.outcome.messages,
        report.outcome.time,
    )
    names = {name for traitor in report.plan.traitors for name in traitor.strategies}
    assert set(summary.strategies) == names
    assert (summary.sources, summary.seeds) == (sources_digest(), Seeds(5, 6))


def test_a_chunk_ends_when_its_time_is_up_but_runs_one_seed() -> None:
    assert run(Chunk(Selection("calm", (4,)), Seeds(3, 1000), 0.0)).seeds == Seeds(3, 4)


def test_the_only_lie_of_a_seed_is_noticed() -> None:
    """Every vote of this traitor is noticed; innocent seeds say nothing of anybody."""
    lies = Selection("traitors", (4,), ("wrong-numbers",))
    met = summary_of(0, 1, lies).strategies["wrong-numbers"]
    assert (met.seeds, met.alone) == (1, 1)
    assert met.noticed
    calm = summary_of(0, 1, Selection("calm", (4,)))
    assert calm.strategies == {}
    assert calm.innocent == calm.refusals


def test_a_sample_says_where_execution_went_and_what_the_judge_saw() -> None:
    plain, sample = summary_of(2, 3), summary_of(2, 3, is_sample=True)
    assert (plain.sampled, plain.arcs, plain.checks) == (0, {}, {})
    assert sample.sampled == 1
    assert sample.cells[0].messages == plain.cells[0].messages
    assert sample.checks["traced executed"] > 0
    assert sample.checks["histories"] == 1
    branches = {entry.file: entry for entry in branches_of(sample.arcs)}
    assert branches["normal_case.py"].taken > 10
    assert all(entry.total == entry.taken + len(entry.untaken) for entry in branches.values())


def test_a_broken_rule_is_kept_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(seed: int, campaign: Campaign) -> SeedReport:
        report = run_seed(seed, campaign)
        verdicts = (Verdict("agreement", "x" * 10_000), Verdict("order", "later"))
        return report._replace(outcome=report.outcome._replace(verdicts=verdicts))

    monkeypatch.setattr(chunk_module, "run_seed", broken)
    summary = run(Chunk(Selection("liars", (4,)), Seeds(1, 2), 1.0))
    (failure,) = summary.failures
    assert (failure.seed, failure.rule, len(failure.text)) == (1, "agreement", 4000)
    assert failure.command == "quorate sim --seed 1 --profile liars --replicas 4 --trace"
    assert failure.liars.startswith("client ")
    assert summary.total().failed == 1


def test_a_seed_that_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other seeds are run."""

    def broken(seed: int, campaign: Campaign) -> SeedReport:
        if seed == 1:
            raise ZeroDivisionError("in the simulator")
        return run_seed(seed, campaign)

    monkeypatch.setattr(chunk_module, "run_seed", broken)
    summary = run(Chunk(Selection("calm", (4,)), Seeds(1, 3), 600.0))
    (failure,) = summary.failures
    assert failure.rule == RAISED
    assert "in the simulator" in failure.text
    assert (summary.total().seeds, summary.total().failed) == (2, 1)


def test_what_is_compiled_is_not_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled sources show neither branches nor calls: the seeds are run, and not counted as sampled."""
    monkeypatch.setattr("quorate.campaign.chunk.can_observe", lambda: False)
    summary = run(Chunk(Selection(profile="calm", replicas=(4,)), Seeds(0, 2), 60.0, is_sample=True))
    assert (summary.sampled, summary.arcs, summary.checks) == (0, {}, {})
    assert summary.failures == []
    assert sum(cell.seeds for cell in summary.cells) == 2

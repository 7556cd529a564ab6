"""The benchmark of the simulator counts what the worlds deliver."""

from __future__ import annotations

import pytest
from benchmarks.simulator import main, measure

from quorate.sim.explore import Campaign, run_seed


def test_it_counts_every_delivered_message() -> None:
    campaign = Campaign("calm")
    speed = measure([3, 4], campaign)
    assert speed.messages == sum(run_seed(seed, campaign).outcome.messages for seed in (3, 4))
    assert speed.failed == 0
    assert speed.rate > 0


def test_it_prints_a_line_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--seeds", "1", "--profile", "calm", "--replicas", "4", "5"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["n = 4", "n = 5"]

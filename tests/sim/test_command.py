"""`quorate sim`, as a user or a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from quorate.cli.main import cli
from quorate.sim.explore import Campaign
from quorate.sim.plan import TraitorPlan, encode_plan
from quorate.sim.profiles import PROFILES, draw_plan


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sim", *arguments])


def test_seeds_are_run_and_counted() -> None:
    result = sim("--seeds", "0:2", "--profile", "traitors")
    assert result.exit_code == 0
    assert result.output.startswith("2 seeds, 0 failed: ")
    assert "refused by correct replicas" in result.output


def test_seeds_on_two_cores_are_the_same_seeds() -> None:
    one, two = (json.loads(sim("--seeds", "0:6", "--json", "--jobs", jobs).output) for jobs in ("1", "2"))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


def test_json_says_everything() -> None:
    document = json.loads(sim("--seed", "3", "--profile", "churn", "--json").output)
    assert document["seeds"] == 1
    assert document["failed"] == []
    assert document["profiles"] == {"churn": 1}
    assert sum(document["networks"].values()) == 1
    assert document["faults"]


def test_a_trace_shows_the_three_phases() -> None:
    result = sim("--seed", "1", "--profile", "calm", "--trace")
    assert result.exit_code == 0
    for name in ("REQUEST", "PRE-PREPARE", "PREPARE", "COMMIT", "REPLY"):
        assert f" {name} " in result.output


def test_chosen_strategies_are_those_of_every_traitor() -> None:
    document = json.loads(sim("--seeds", "0:3", "--profile", "traitors", "--strategies", "mute", "--json").output)
    assert document["strategies"] == {"mute": 3}


@pytest.mark.parametrize("is_on", [True, False])
def test_the_read_only_path_is_as_chosen(is_on: bool) -> None:
    chosen = ("--reads", "on" if is_on else "off", "--trace")
    document = json.loads(sim("--seed", "3", "--profile", "calm", *chosen, "--json").output)
    assert document["plan"]["settings"]["read_only_path"] is is_on
    assert Campaign("calm", reads=is_on).command(3).endswith(" ".join(chosen))


def too_many_traitors(tmp_path: Path) -> Path:
    traitors = (TraitorPlan(0, ("mute",)), TraitorPlan(1, ("mute",)))
    file = tmp_path / "plan.json"
    file.write_bytes(encode_plan(replace(draw_plan(1, "calm"), traitors=traitors, liveness=500_000)))
    return file


def test_a_failing_world_says_what_is_pending_and_ends_with_1(tmp_path: Path) -> None:
    result = sim("--replay", str(too_many_traitors(tmp_path)))
    assert result.exit_code == 1
    assert "liveness: not done in the time that is given:" in result.output
    assert "--trace" in result.output


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--seeds", "5"], "expected A:B"),
        (["--seeds", "5:5"], "expected A:B"),
        (["--profile", "stormy"], "there is no such profile; there are mixed, calm"),
        (["--replicas", "3"], "4 to 31"),
        (["--strategies", "lie"], "there is no such strategy; there are amnesia"),
        (["--trace"], "add --seed N"),
        (["--jobs", "0"], "at least one"),
    ],
)
def test_bad_input_ends_with_2_and_says_what_would_be_right(arguments: list[str], hint: str) -> None:
    result = sim(*arguments)
    assert result.exit_code == 2
    assert hint in result.output


def test_a_file_that_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    result = sim("--replay", str(tmp_path / "plan.json"))
    assert result.exit_code == 2
    assert "is not a plan" in result.output


def test_help_names_all_profiles() -> None:
    text = " ".join(sim("--help").output.split())
    assert all(profile in text for profile in PROFILES)

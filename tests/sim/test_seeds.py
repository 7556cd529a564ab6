"""Whole worlds: the same seeds every time, and a few that nobody has seen yet."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from quorate.sim.explore import Campaign, run_seed
from quorate.sim.plan import troubles_of
from quorate.sim.profiles import MIXED, PROFILES, draw_plan

CRASHES = ("", " between effects", " while writing")


def survives(seed: int, profile: str, replicas: int) -> None:
    report = run_seed(seed, Campaign(profile, replicas))
    assert report.verdict is None, f"{report.verdict}\nrun it again: {report.command}"
    assert report.outcome.completed > 0


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(4))
def test_four_replicas(profile: str, seed: int) -> None:
    survives(seed, profile, 4)


@pytest.mark.parametrize("profile", ["traitors", "churn", "everything"])
@pytest.mark.parametrize("seed", range(2))
def test_seven_replicas(profile: str, seed: int) -> None:
    survives(seed, profile, 7)


@pytest.mark.parametrize("replicas", [5, 6, 10])
def test_other_sizes(replicas: int) -> None:
    survives(1, "churn", replicas)


def test_a_read_of_a_client_that_is_shut_out_is_not_declined_either() -> None:
    survives(50001050, "access", 4)


@pytest.mark.parametrize("turn", range(10))
def test_fresh_seeds(turn: int) -> None:
    """The failure says which seed it was; add it to the ones above then."""
    seed = random.SystemRandom().randrange(2**40)
    print(f"quorate sim --seed {seed}")
    survives(seed, MIXED, 4)


def test_every_network_and_every_trouble_is_drawn() -> None:
    """Nothing that the profiles promise is forgotten."""
    plans = [draw_plan(seed, "everything", replicas) for seed in range(200) for replicas in (4, 7)]
    assert {plan.network.kind for plan in plans} == {"room", "rough", "stormy", "country", "busy", "satellite"}
    assert {draw_plan(seed, "impatient").network.kind for seed in range(40)} == {"country", "globe", "busy"}
    assert set().union(*map(troubles_of, plans)) == {
        *("partition, two-way", "partition, one-way", "partition, star", "partition, one alone"),
        *(f"crash{when}{tail}" for when in CRASHES for tail in ("", ", lost tail", ", torn write")),
        *("crash, votes lost", "slow disk", "full disk", "bit rot", "pause", "slow process", "client death"),
        *("clock jump", "clock drift", "wrong clock"),
    }


def test_all_that_can_befall_a_disk_does_and_what_was_lost_is_recovered() -> None:
    happened = Counter[str]()
    for seed in range(100, 150):
        happened.update(run_seed(seed, Campaign("crashes")).outcome.happened)
    on_disks = {"lost tail", "torn write", "bit rot", "state rot", "slow sync", "full disk"}
    assert set(happened) == {*on_disks, "recovery", "read", "read that had to be ordered"}

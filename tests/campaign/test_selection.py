"""Which worlds a campaign runs, and the arithmetic of what is left to do."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.campaign.selection import Seeds, Selection, missing, overlap
from quorate.errors import ConfigurationError
from quorate.sim.explore import Campaign
from quorate.sim.profiles import PROFILES

ranges = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: Seeds(pair[0], sum(pair)))


@pytest.mark.parametrize("first", [0, 7, 1_000_003])
def test_neighbouring_seeds_hold_all_profiles_and_sizes_alike(first: int) -> None:
    selection = Selection(replicas=(4, 7, 10))
    worlds = Counter(selection.world_of(seed) for seed in range(first, first + 3 * len(PROFILES)))
    assert set(worlds.values()) == {1}
    assert {world.profile for world in worlds} == set(PROFILES)
    assert {world.replicas for world in worlds} == {4, 7, 10}


def test_a_size_that_stands_twice_is_run_twice_as_often() -> None:
    selection = Selection(replicas=(4, 4, 7))
    assert Counter(selection.world_of(seed).replicas for seed in range(300)) == {4: 200, 7: 100}


def test_what_is_chosen_is_what_every_seed_is_run_with() -> None:
    selection = Selection("churn", (7,), ("mute",))
    assert {selection.world_of(seed) for seed in range(20)} == {Campaign("churn", 7, ("mute",))}


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection("gloomy"), "no such profile"),
        (Selection(replicas=()), "at least one size"),
        (Selection(replicas=(4, 3)), "4 to 31 replicas"),
        (Selection(strategies=("nice",)), "no such strategy"),
        (Selection(without=("mercy",)), "--without mercy: there is no such switch"),
    ],
)
def test_what_cannot_be_run_is_refused(selection: Selection, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        selection.check()


@given(ranges, st.lists(ranges, max_size=6))
def test_missing_is_what_nobody_did(wanted: Seeds, done: list[Seeds]) -> None:
    left = [seed for seeds in missing(wanted, done) for seed in range(*seeds)]
    covered = {seed for seeds in done for seed in range(*seeds)}
    assert left == [seed for seed in range(*wanted) if seed not in covered]
    assert overlap(wanted, done) == len(wanted) - len(left)
    assert all(len(seeds) > 0 for seeds in missing(wanted, done))

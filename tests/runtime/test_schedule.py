"""When replicas recover by themselves: one after the other, and never more than the group can spare."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quorate.core.quorum import quorums_of
from quorate.runtime.schedule import Schedule, may_be_spared

HOUR = 3_600_000_000
WALL = 1_800_000_000_123_456


@pytest.mark.parametrize("count", [4, 5, 7, 10])
def test_each_replica_has_a_slot_of_its_own_in_reverse_order(count: int) -> None:
    dues = {replica: Schedule(replica, count, HOUR, WALL).due for replica in range(count)}
    assert all(WALL < due <= WALL + HOUR for due in dues.values())
    slots = {replica: due % HOUR // (HOUR // count) for replica, due in dues.items()}
    assert slots == {replica: count - 1 - replica for replica in range(count)}
    gaps = sorted(dues.values())
    assert min(later - earlier for earlier, later in pairwise(gaps)) >= HOUR // count


def test_a_slot_comes_again_after_an_interval_and_what_was_missed_is_left_out() -> None:
    schedule = Schedule(2, 4, HOUR, WALL)
    due = schedule.due
    half = HOUR // 4 // 2
    assert [schedule.is_time(due + at) for at in (-1, 0, half - 1)] == [False, True, True]
    assert not schedule.is_time(due + half)
    assert schedule.due == due + HOUR
    assert not schedule.is_time(due + 5 * HOUR + half)
    assert schedule.is_time(due + 6 * HOUR)


def test_when_it_starts_its_own_slot_is_past_or_to_come() -> None:
    """Else a replica that has just recovered would do so again."""
    due = Schedule(2, 4, HOUR, WALL).due
    for late in (0, 1, 1_000_000):
        assert Schedule(2, 4, HOUR, due + late).due == due + HOUR


@pytest.mark.parametrize(
    ("count", "connected", "recovering", "may"),
    [
        (4, 3, 0, True),
        (4, 2, 0, False),
        (4, 3, 1, False),
        (7, 6, 0, True),
        (7, 6, 1, True),
        (7, 5, 0, True),
        (7, 5, 1, False),
        (7, 4, 0, False),
        (3, 2, 0, False),
    ],
)
def test_never_more_than_f_at_once(count: int, connected: int, recovering: int, may: bool) -> None:
    """Those that cannot be reached are counted in."""
    assert may_be_spared(quorums_of(count), connected, recovering) is may

"""When replicas recover by themselves: one after the other, and never more than the group can spare."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quorate.core.quorum import quorums_of
from quorate.messages.protocol import Status
from quorate.runtime.schedule import Colleagues, Schedule, may_be_spared

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
    ("count", "well", "may"),
    [(4, 3, True), (4, 2, False), (7, 6, True), (7, 5, True), (7, 4, False), (3, 2, False)],
)
def test_never_more_than_f_at_once(count: int, well: int, may: bool) -> None:
    """Those of whom nothing is known are counted in."""
    assert may_be_spared(quorums_of(count), well) is may


def status(replica: int, view: int, is_changing_view: bool = False) -> Status:
    return Status(view, is_changing_view, 0, 0, b"", 0, (), replica)


def test_who_said_lately_that_it_is_in_the_view_takes_part() -> None:
    colleagues = Colleagues()
    assert colleagues.in_view(0, 0) == set()
    for replica, view, now in ((1, 5, 10), (2, 4, 20), (3, 5, 30)):
        colleagues.hear(status(replica, view), now)
    assert colleagues.in_view(5, 10) == {1, 3}
    assert colleagues.in_view(5, 11) == {3}
    assert colleagues.in_view(4, 0) == {2}


def test_who_has_just_begun_to_recover_does_not_though_it_is_connected_again() -> None:
    """Four replicas let two of them recover at once, and nothing was executed ever again: the second one was connected
    to the first one, whose request nobody had executed yet."""
    colleagues = Colleagues()
    colleagues.hear(status(1, 0), 10)
    colleagues.forget(1)  # its link closed, and opened again
    assert colleagues.in_view(0, 0) == set()
    colleagues.hear(status(1, 0, is_changing_view=True), 20)
    assert colleagues.in_view(0, 0) == set()
    colleagues.hear(status(1, 0), 30)
    assert colleagues.in_view(0, 0) == {1}
    colleagues.forget(None)  # a client's link
    assert colleagues.in_view(0, 0) == {1}

"""When what only reads is asked for, and when it is ordered at once because asking has not helped."""

from __future__ import annotations

from quorate.client.worth import PASSED_OVER_MAX, Worth


def passed_over(worth: Worth) -> int:
    """How many operations are ordered before the next is asked for."""
    count = 0
    while not worth.is_given():
        count += 1
    return count


def test_who_is_answered_goes_on_asking() -> None:
    worth = Worth()
    for ordered in (0, 1, 4):
        worth.note(8, ordered)
        assert passed_over(worth) == 0


def test_after_each_failure_twice_as_many_are_ordered_up_to_a_limit() -> None:
    worth, pauses = Worth(), []
    while not pauses or pauses[-1] < PASSED_OVER_MAX:
        worth.note(8, 5)
        pauses.append(passed_over(worth))
    assert pauses == [8, 16, 32, 64, 128, 256, 512, 1024]
    worth.note(8, 8)
    assert passed_over(worth) == PASSED_OVER_MAX


def test_one_success_ends_it() -> None:
    worth = Worth()
    worth.note(8, 8)
    worth.note(8, 8)
    worth.note(8, 0)
    assert passed_over(worth) == 0
    worth.note(3, 3)
    assert passed_over(worth) == 3

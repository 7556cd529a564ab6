"""When what only reads is asked for, and when it is ordered at once because asking has not helped."""

from __future__ import annotations

from quorate.client.worth import PAUSE_MAX, Worth


def pause_after(worth: Worth, ordered: int, took: int) -> int:
    """For how long all is ordered after a READ of eight operations, of which so many had to be ordered."""
    now = 5_000_000
    worth.note(8, ordered, now - took, now)
    return next(pause for pause in (0, *range(took, PAUSE_MAX + 1, took)) if worth.is_given(now + pause))


def test_who_is_answered_goes_on_asking() -> None:
    worth = Worth()
    assert [pause_after(worth, ordered, 1000) for ordered in (0, 1, 4)] == [0, 0, 0]


def test_after_each_failure_it_takes_twice_as_long_up_to_a_limit() -> None:
    worth = Worth()
    pauses = [pause_after(worth, 5, 125_000) for _ in range(5)]
    assert pauses == [125_000, 250_000, 500_000, PAUSE_MAX, PAUSE_MAX]


def test_one_success_ends_it() -> None:
    worth = Worth()
    assert [pause_after(worth, ordered, 1000) for ordered in (8, 8, 0, 8)] == [1000, 2000, 0, 1000]

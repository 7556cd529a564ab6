"""When what only reads is asked for, and when it is ordered at once because asking has not helped."""

from __future__ import annotations

from quorate.client.worth import PAUSE_MAX, Worth


class Trial:
    """READs one after the other, each as soon as it is worth it."""

    def __init__(self) -> None:
        self.worth = Worth()
        self.now = 5_000_000

    def pause_after(self, ordered: int, took: int) -> int:
        """For how long all is ordered after a READ of eight operations, of which so many had to be ordered."""
        self.now += took
        self.worth.note(8, ordered, self.now - took, self.now)
        pause = next(pause for pause in (0, *range(took, PAUSE_MAX + 1, took)) if self.worth.is_given(self.now + pause))
        self.now += pause
        return pause


def test_who_is_answered_goes_on_asking() -> None:
    trial = Trial()
    assert [trial.pause_after(ordered, 1000) for ordered in (0, 1, 4)] == [0, 0, 0]


def test_after_each_failure_it_takes_twice_as_long_up_to_a_limit() -> None:
    trial = Trial()
    pauses = [trial.pause_after(5, 125_000) for _ in range(5)]
    assert pauses == [125_000, 250_000, 500_000, PAUSE_MAX, PAUSE_MAX]


def test_those_that_were_under_way_together_and_fail_count_once() -> None:
    worth = Worth()
    for number in range(4):
        worth.note(8, 8, 1000 * number, 100_000 + number)
    assert not worth.is_given(199_999)
    assert worth.is_given(200_000)
    worth.note(8, 8, 200_000, 201_000)
    assert not worth.is_given(400_999), "it was sent after the last that failed"
    assert worth.is_given(401_000)


def test_one_success_ends_it() -> None:
    trial = Trial()
    assert [trial.pause_after(ordered, 1000) for ordered in (8, 8, 0, 8)] == [1000, 2000, 0, 1000]

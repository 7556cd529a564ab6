"""The arithmetic behind a verdict."""

from __future__ import annotations

import pytest

from quorate.lab.measure import Appended, account, availability, gaps_of, grown, rate

SECOND = 1_000_000
DISRUPTION = SECOND // 2


def every(step: int, begin: int, end: int) -> list[int]:
    return list(range(begin, end, step))


def test_a_service_that_never_pauses() -> None:
    completed = every(SECOND // 10, 0, 10 * SECOND)

    felt = availability(completed, 2 * SECOND, 5 * SECOND, 8 * SECOND, DISRUPTION)

    assert felt == (30, 10.0, 0.1, 0.0)


def test_a_gap_that_ends_under_attack() -> None:
    completed = every(SECOND // 10, 0, 3 * SECOND) + every(SECOND // 10, 4 * SECOND, 10 * SECOND)

    felt = availability(completed, 2 * SECOND, 6 * SECOND, 8 * SECOND, DISRUPTION)

    assert felt.longest_gap_seconds == pytest.approx(1.1)
    assert felt.recovery_seconds == pytest.approx(2.0)


def test_a_gap_that_ends_after_the_attack_counts_from_its_begin() -> None:
    completed = every(SECOND // 10, 0, 3 * SECOND) + every(SECOND // 10, 7 * SECOND, 10 * SECOND)

    felt = availability(completed, 2 * SECOND, 6 * SECOND, 9 * SECOND, DISRUPTION)

    assert felt.operations == 10
    assert felt.recovery_seconds == pytest.approx(5.0)


def test_a_service_that_does_not_come_back() -> None:
    felt = availability(every(SECOND // 10, 0, 3 * SECOND), 2 * SECOND, 6 * SECOND, 9 * SECOND, DISRUPTION)

    assert felt.recovery_seconds is None
    assert felt.longest_gap_seconds == pytest.approx(6.1)


def test_a_gap_that_begins_after_the_attack_is_not_its() -> None:
    completed = [*every(SECOND // 10, 0, 7 * SECOND), 8 * SECOND]

    felt = availability(completed, 2 * SECOND, 6 * SECOND, 8 * SECOND + 1, DISRUPTION)

    assert felt.recovery_seconds == 0.0


def test_nothing_completed_at_all() -> None:
    felt = availability([], 0, SECOND, 2 * SECOND, DISRUPTION)

    assert felt == (0, 0.0, 2.0, None)


def test_gaps_have_the_edges_too() -> None:
    assert gaps_of([1, 5, 7, 20], 4, 10) == [(4, 5), (5, 7), (7, 10)]


def test_a_rate_counts_from_its_begin_to_before_its_end() -> None:
    assert rate([0, 1, SECOND - 1, SECOND], 0, SECOND) == 3.0


def test_accounts_that_balance() -> None:
    appended = {"log": Appended(["0-1.", "1-1."], ["0-2."])}

    assert account(appended, {"log": "0-1.1-1."}) == []
    assert account(appended, {"log": "0-1.0-2.1-1."}) == []


def test_a_lost_append() -> None:
    assert account({"log": Appended(["0-1.", "1-1."], [])}, {"log": "1-1."}) == [
        "log: the acknowledged append 0-1. is lost"
    ]


def test_a_register_that_lost_everything() -> None:
    assert account({"log": Appended(["0-1."], [])}, {"log": "-"}) == ["log: the acknowledged append 0-1. is lost"]


def test_an_append_that_was_executed_twice() -> None:
    assert account({"log": Appended(["0-1."], [])}, {"log": "0-1.0-1."}) == [
        "log: the append 0-1. was executed 2 times"
    ]


def test_an_append_that_nobody_made() -> None:
    assert account({"log": Appended([], [])}, {"log": "9-9."}) == ["log: 9-9. was never appended by a caller"]


def test_counters_that_grew() -> None:
    assert grown({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 1}) == {"b": 3, "c": 1}

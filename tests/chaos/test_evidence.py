"""Operations that nobody learnt of are judged by what others saw of them, and dozens do not stop the checker."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.lab.chaos.evidence import can_have_happened, likely_calls, mark_of, marks_in
from quorate.lab.chaos.history import ADDENDS, Deed, addend, addends_in, entries_in
from quorate.sim.linearizability import is_linearizable
from quorate.sim.register import apply_operation


def done(operation: str, result: str, invoked: int, returned: int) -> Deed:
    return Deed("a", operation, invoked, returned, result)


def unknown(operation: str, invoked: int) -> Deed:
    return Deed("b", operation, invoked)


def test_what_nobody_saw_never_happened() -> None:
    deeds = [unknown("append log-0 1.", 0), done("append log-0 2.", "2.", 5, 9), unknown("read log-0", 6)]
    assert [call.operations for call in likely_calls(deeds)] == [(b"append log-0 2.",)]


def test_what_somebody_saw_had_happened_when_he_was_answered() -> None:
    deeds = [
        unknown("append log-0 1.", 0),
        done("append log-0 2.", "1.2.", 10, 20),
        done("read log-0", "1.2.", 30, 40),
    ]
    assert [call.returned for call in likely_calls(deeds)] == [20, 20, 40]
    assert can_have_happened(deeds)


def test_what_was_seen_before_it_was_asked_for_cannot_have_happened() -> None:
    assert not can_have_happened([done("read register-0", "7", 0, 5), unknown("write register-0 7", 6)])


def test_a_write_that_only_a_swap_noticed() -> None:
    """It failed, so somebody had written what nobody ever read."""
    deeds = [
        done("write register-0 1", "ok", 0, 5),
        unknown("write register-0 2", 6),
        done("swap register-0 1 3", "no", 10, 15),
        done("write register-0 4", "ok", 20, 25),
        done("read register-0", "4", 30, 35),
    ]
    assert not is_linearizable(likely_calls(deeds))
    assert can_have_happened(deeds)
    assert not can_have_happened([deed for deed in deeds if deed.result is not None])


@pytest.mark.parametrize(
    ("deed", "mark", "seen"),
    [
        (done("append log-0 2.", "1.2.", 0, 1), "2.", ["1.", "2."]),
        (done("read ledger-0", "-", 0, 1), "", []),
        (done("add counter-0 4", "5", 0, 1), "4", ["1", "4"]),
        (done("write register-0 9", "ok", 0, 1), "9", []),
        (done("swap register-0 8 9", "ok", 0, 1), "9", ["8"]),
        (done("swap register-0 8 9", "no", 0, 1), "9", []),
        (done("read register-0", "9", 0, 1), "", ["9"]),
    ],
)
def test_marks(deed: Deed, mark: str, seen: list[str]) -> None:
    assert mark_of(deed) == mark
    assert marks_in(deed) == seen


@settings(deadline=None)
@given(st.lists(st.integers(0, ADDENDS - 1), unique=True))
def test_a_sum_tells_its_addends(numbers: list[int]) -> None:
    total = sum(map(addend, numbers))
    assert addends_in(str(total)) == sorted(map(addend, numbers))
    if numbers:
        assert addends_in(str(total + addend(numbers[0]))).count(addend(numbers[0])) == 2


def test_entries() -> None:
    assert entries_in("-") == []
    assert entries_in("1.2:0:1:5.") == ["1.", "2:0:1:5."]


VERBS = {"log": ["append", "read"], "counter": ["add", "read"], "register": ["write", "swap", "read"]}


def history(random: Random, kind: str, share: float) -> list[Deed]:
    """What callers saw of one register that obeys, if the outcomes of so many operations stay unknown."""
    deeds, value, written = [], b"-", ["-"]
    for number in range(ADDENDS):
        begin = number * 10 - random.randrange(40)
        verb = random.choice(VERBS[kind])
        mark = {"log": f"{number}.", "counter": str(addend(number))}.get(kind, str(number))
        words = {"read": [], "swap": [random.choice(written[-3:]), mark]}.get(verb, [mark])
        operation = " ".join([verb, f"{kind}-0", *words])
        if random.random() < share:
            deeds.append(unknown(operation, begin))
            if random.random() < 0.5:
                continue
            value, _ = apply_operation(value, operation.encode())
        else:
            value, result = apply_operation(value, operation.encode())
            deeds.append(done(operation, result.decode(), begin, number * 10 + random.randrange(40)))
        written += words[-1:]
    return deeds


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from(["log", "counter", "register"]), st.sampled_from([0.0, 0.1, 0.4]))
def test_a_register_that_obeys_is_found_right(seed: int, kind: str, share: float) -> None:
    assert can_have_happened(history(Random(seed), kind, share))


def test_dozens_that_nobody_knows_of_are_judged_at_once() -> None:
    """Without evidence each of their orders would be tried."""
    entries = [f"{number}." for number in range(40)]
    deeds = [unknown(f"append log-0 {entry}", 0) for entry in entries]
    deeds += [done(f"append log-0 {number}.", "".join(entries[:20]) + f"{number}.", 10, 20) for number in (99,)]
    assert can_have_happened(deeds)
    assert not can_have_happened([*deeds, done("read log-0", entries[39] + entries[0], 30, 40)])

"""The checker itself, on histories that are known to be good and known to be bad."""

from __future__ import annotations

from random import Random

import pytest

from quorate.sim.linearizability import END_OF_TIME, Call, is_linearizable, unexplained_prefix
from quorate.sim.register import ABSENT, apply_operation


def call(client: str, invoked: int, returned: int, operation: str, result: str | None) -> Call:
    return Call(client, invoked, returned, (operation.encode(),), None if result is None else (result.encode(),))


def lost(client: str, invoked: int, operation: str) -> Call:
    return call(client, invoked, END_OF_TIME, operation, None)


GOOD = {
    "nothing happened": [],
    "one after the other": [call("a", 0, 1, "write x 1", "ok"), call("b", 2, 3, "read x", "1")],
    "a read that overlaps a write may see the old value": [
        call("a", 0, 10, "write x 1", "ok"),
        call("b", 1, 2, "read x", "-"),
        call("b", 3, 4, "read x", "1"),
    ],
    "two overlapping writes in either order": [
        call("a", 0, 10, "write x 1", "ok"),
        call("b", 0, 10, "write x 2", "ok"),
        call("c", 11, 12, "read x", "1"),
    ],
    "a write without an answer took effect later": [
        lost("a", 0, "write x 1"),
        call("b", 1, 2, "read x", "-"),
        call("b", 3, 4, "read x", "1"),
    ],
    "a write without an answer never took effect": [lost("a", 0, "write x 1"), call("b", 5, 6, "read x", "-")],
    "one of two swaps wins": [
        call("a", 0, 5, "swap x - 1", "ok"),
        call("b", 0, 5, "swap x - 2", "no"),
        call("c", 6, 7, "read x", "1"),
    ],
    "calls that touch in time overlap": [call("a", 0, 5, "write x 1", "ok"), call("b", 5, 6, "read x", "-")],
    "operations of one request are one step": [
        Call("a", 0, 9, (b"write x 1", b"append x 2"), (b"ok", b"12")),
        call("b", 1, 2, "read x", "12"),
    ],
}

BAD = {
    "a stale read": [call("a", 0, 1, "write x 1", "ok"), call("b", 2, 3, "read x", "-")],
    "a value that nobody wrote": [call("a", 0, 1, "write x 1", "ok"), call("b", 2, 3, "read x", "7")],
    "new, then old again": [
        call("a", 0, 10, "write x 1", "ok"),
        call("b", 1, 2, "read x", "1"),
        call("b", 3, 4, "read x", "-"),
    ],
    "two readers disagree on the order of two writes": [
        call("a", 0, 10, "write x 1", "ok"),
        call("b", 0, 10, "write x 2", "ok"),
        call("c", 11, 12, "read x", "1"),
        call("d", 13, 14, "read x", "2"),
    ],
    "both swaps win": [call("a", 0, 5, "swap x - 1", "ok"), call("b", 0, 5, "swap x - 2", "ok")],
    "an append that was executed twice": [call("a", 0, 5, "append x 1", "1"), call("b", 6, 7, "read x", "11")],
    "a write whose outcome is unknown cannot take effect before it was made": [
        call("b", 0, 1, "read x", "1"),
        lost("a", 2, "write x 1"),
    ],
    "an unknown write is seen and then gone": [
        lost("a", 0, "write x 1"),
        call("b", 1, 2, "read x", "1"),
        call("b", 3, 4, "read x", "-"),
    ],
    "half of a request is seen": [
        Call("a", 0, 9, (b"write x 1", b"append x 2"), (b"ok", b"12")),
        call("b", 1, 2, "read x", "1"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_has_a_linearization(name: str) -> None:
    assert is_linearizable(GOOD[name])
    assert unexplained_prefix(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_has_none(name: str) -> None:
    assert not is_linearizable(BAD[name])
    assert not is_linearizable(unexplained_prefix(BAD[name]))


def test_the_unexplained_prefix_ends_with_the_first_wrong_answer() -> None:
    history = [
        call("a", 0, 1, "write x 1", "ok"),
        call("b", 2, 3, "read x", "9"),
        call("a", 4, 5, "write x 2", "ok"),
    ]
    assert unexplained_prefix(history) == history[:2]


def random_run(random: Random, clients: int, calls: int) -> list[Call]:
    """A history made by a real register: each call takes effect at an instant between invocation and return."""
    value = ABSENT
    history: list[Call] = []
    free_at = [0] * clients
    for instant in range(10, 10 * calls + 10, 10):
        client = random.choice([c for c in range(clients) if free_at[c] < instant] or [0])
        invoked = random.randint(min(free_at[client] + 1, instant), instant)
        free_at[client] = max(free_at[client], instant + random.randint(0, 40))
        operation = random.choice([b"read x", b"write x %d" % instant, b"append x y", b"swap x - 3"])
        value, result = apply_operation(value, operation)
        if random.random() < 0.1:
            history.append(Call(str(client), invoked, END_OF_TIME, (operation,), None))
        else:
            history.append(Call(str(client), invoked, free_at[client], (operation,), (result,)))
    return history


@pytest.mark.parametrize("seed", range(40))
def test_what_a_register_did_is_linearizable(seed: int) -> None:
    random = Random(seed)
    history = random_run(random, clients=5, calls=60)
    random.shuffle(history)
    assert is_linearizable(history)


@pytest.mark.parametrize("seed", range(40))
def test_one_falsified_answer_is_noticed(seed: int) -> None:
    random = Random(seed)
    history = random_run(random, clients=5, calls=40)
    answered = [at for at, entry in enumerate(history) if entry.results is not None]
    at = random.choice(answered)
    history[at] = history[at]._replace(results=(b"never written",))
    assert not is_linearizable(history)


def test_many_calls_without_an_answer_do_not_explode() -> None:
    history = [lost(f"dead {at}", at, f"write x {at}") for at in range(12)]
    history += [call("b", 100 + 2 * at, 101 + 2 * at, "read x", str(11 - at)) for at in range(12)]
    assert is_linearizable(history)

"""The judge finds what is wrong in a history, and nothing in one that can have happened."""

from __future__ import annotations

from quorate.lab.chaos.history import Deed, Transfer, balances_of, by_key, transfers_in
from quorate.lab.chaos.judge import failures_of, final_values, longest_gaps, wrong_in


def done(operation: str, result: str, invoked: int, balances: tuple[int, ...] | None = None) -> Deed:
    return Deed("a", operation, invoked, invoked + 5, result, balances)


def unknown(operation: str, invoked: int, failure: str = "TIMEOUT") -> Deed:
    return Deed("b", operation, invoked, failure=failure)


def read_at_the_end(key: str, result: str, balances: tuple[int, ...] | None = None) -> Deed:
    return Deed("the end", f"read {key}", 900, 905, result, balances)


def problems(*deeds: Deed) -> list[str]:
    return wrong_in(deeds, final_values(deeds))


GOOD = [
    done("write register-0-0 1", "ok", 10),
    done("swap register-0-0 1 2", "ok", 20),
    unknown("write register-0-0 3", 30),
    done("read register-0-0", "3", 40),
    done("append log-0 4.", "4.", 10),
    unknown("append log-0 5.", 20),
    done("append log-0 6.", "4.5.6.", 30),
    done("add counter-0 1", "1", 10),
    unknown("add counter-0 4", 20),
    unknown("add counter-0 64", 20),
    done("add counter-0 16", "17", 30),
    done("append ledger-0 1:0:1:5.", "1:0:1:5.", 10, (-5, 5, 0)),
    unknown("append ledger-0 2:1:2:3.", 20),
    done("read ledger-0", "1:0:1:5.2:1:2:3.", 30, (-5, 2, 3)),
    read_at_the_end("register-0-0", "3"),
    read_at_the_end("log-0", "4.5.6."),
    read_at_the_end("counter-0", "21"),
    read_at_the_end("ledger-0", "1:0:1:5.2:1:2:3.", (-5, 2, 3)),
]


def without(key: str) -> list[Deed]:
    """The good history, without the last read of a key."""
    return [deed for deed in GOOD if not (deed.caller == "the end" and deed.key == key)]


def test_what_can_have_happened_is_right() -> None:
    assert problems(*GOOD) == []


def test_a_lost_write() -> None:
    [problem] = problems(*without("register-0-0"), read_at_the_end("register-0-0", "2"))
    assert "register-0-0 has no linearization" in problem


def test_a_lost_append() -> None:
    first, second = problems(*without("log-0"), read_at_the_end("log-0", "4.5."))
    assert first == "log-0: the acknowledged append 6. is lost"
    assert "log-0 has no linearization" in second


def test_an_append_that_nobody_knows_of_was_executed_twice() -> None:
    found = problems(*without("log-0"), read_at_the_end("log-0", "4.5.6.5."))
    assert "log-0: the append 5. was executed 2 times" in found


def test_an_addition_that_was_executed_twice() -> None:
    first, second = problems(*without("counter-0"), read_at_the_end("counter-0", "33"))
    assert first == "counter-0: the append 16. was executed 2 times"
    assert "counter-0 has no linearization" in second


def test_a_lost_addition() -> None:
    first, _ = problems(*without("counter-0"), read_at_the_end("counter-0", "20"))
    assert first == "counter-0: the acknowledged append 1. is lost"


def test_a_transaction_that_was_seen_half() -> None:
    deed = done("read ledger-0", "1:0:1:5.", 15, (-5, 0, 0))
    [problem] = problems(*GOOD, deed)
    assert problem.startswith("ledger-0: the accounts hold (-5, 0, 0), the ledger says (-5, 5, 0)")


def test_what_could_not_be_read_at_the_end_is_not_held_against_anybody() -> None:
    assert problems(*without("log-0")) == []


def test_a_ledger_tells_transfers() -> None:
    transfers = [Transfer("1", 0, 1, 5), Transfer("2", 1, 2, 3)]
    text = "".join(map(str, transfers))

    assert transfers_in(text) == transfers
    assert transfers_in("-") == []
    assert balances_of(text) == (-5, 2, 3)


def test_histories_are_kept_by_key() -> None:
    assert set(by_key(GOOD)) == {"register-0-0", "log-0", "counter-0", "ledger-0"}


def test_gaps_are_told_apart_by_whether_all_were_killed() -> None:
    deeds = [done("read x", "-", moment - 5) for moment in (100, 200, 700, 750, 900)]

    assert longest_gaps(deeds, 0, 1000, [(300, 400)]) == (500, 150)
    assert longest_gaps(deeds, 0, 1000, []) == (0, 500)


def test_failures_are_counted_by_reason() -> None:
    deeds = [unknown("read x", 1, "TIMEOUT outcome unknown: a"), unknown("read x", 2, "TIMEOUT outcome unknown: b")]

    told = "no answer that enough replicas vouch for came in time"
    others = [unknown("read x", 3, "gateway: EOFError"), unknown("read x", 4, f"{told} (replica 0 is down); it may")]
    others.append(unknown("read x", 5, f"{told}; it may still be executed, once"))

    assert failures_of([*deeds, *others, done("read x", "-", 4)]) == {
        "TIMEOUT outcome unknown": 2,
        told: 2,
        "gateway: EOFError": 1,
    }

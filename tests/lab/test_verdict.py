"""A verdict finds what is wrong: the steps of correct replicas, and the histories of callers."""

from __future__ import annotations

from typing import Any

from quorate.lab.control import Event, Refusal, Told
from quorate.lab.verdict import Look, Verdict, absent, broken_rules, noticed, unexplained
from quorate.sim.linearizability import Call

ONE, OTHER = b"1" * 32, b"2" * 32


def told(replica: int, *events: Event, refusals: tuple[Refusal, ...] = ()) -> Told:
    return Told(replica, 1000 + replica, (), False, "", refusals, events)


def committed(time: int, number: int, digest: bytes) -> Event:
    return Event(time, "committed", {"view": 0, "sequence_number": number, "digest": digest})


def executed(time: int, number: int, digest: bytes, *requests: list[Any]) -> Event:
    return Event(time, "executed", {"sequence_number": number, "digest": digest, "requests": list(requests)})


def test_replicas_that_agree() -> None:
    steps = {replica: told(replica, committed(1, 7, ONE), executed(2, 7, ONE)) for replica in range(3)}

    assert broken_rules({0, 1, 2}, steps, 1) == []


def test_replicas_that_disagree() -> None:
    steps = {0: told(0, committed(1, 7, ONE)), 1: told(1, committed(2, 7, OTHER))}

    [problem] = broken_rules({0, 1}, steps, 1)

    assert problem.startswith("agreement: at 7 replica 1 committed")


def test_what_a_faulty_replica_did_is_not_looked_at() -> None:
    steps = {0: told(0, committed(1, 7, ONE)), 1: told(1, committed(2, 7, OTHER))}

    assert broken_rules({0}, steps, 1) == []


def test_a_request_that_was_executed_twice() -> None:
    request = [b"c" * 32, 5, 9, 0]

    [problem] = broken_rules({0}, {0: told(0, executed(1, 1, ONE, request), executed(2, 2, OTHER, request))}, 1)

    assert problem.startswith("exactly once:")


def test_a_state_that_diverged() -> None:
    [problem] = broken_rules({2}, {2: told(2, Event(1, "state-diverged", {"sequence_number": 32}))}, 1)

    assert problem.startswith("equal checkpoints:")


def test_the_view_of_the_cluster_is_not_that_of_one_that_was_cut_off() -> None:
    def look(*views: tuple[int, str]) -> Look:
        return Look({replica: {"view": view, "status": status} for replica, (view, status) in enumerate(views)}, {})

    here, leaving = (3, "normal"), (4, "view-change")

    assert look(here, here, (7, "view-change"), here).view(4) == 3
    assert look(here, here, (7, "normal"), here).view(4) == 3
    assert look((4, "normal"), (4, "normal"), here, here).view(4) == 4
    assert look(leaving, leaving, leaving, here).view(4) == 3
    assert look(leaving, leaving).view(4) == 0


def test_a_correct_replica_that_is_gone() -> None:
    look = Look({}, {0: told(0), 2: told(2)})

    assert absent({0, 1}, look) == ["replica 1 is correct and does not run any more"]


def test_a_history_without_explanation() -> None:
    write = Call("caller 0", 1, 2, (b"write k v.",), (b"ok",))
    stale = Call("caller 1", 3, 4, (b"read k",), (b"-",))

    assert unexplained({"k": [write, stale._replace(results=(b"v.",))]}) == []
    [problem] = unexplained({"k": [write, stale]})
    assert "read k -> -" in problem


def test_what_was_noticed_names_the_attacker() -> None:
    refusal = Refusal("PrePrepare", "too far ahead", 3, 2)
    slander = Refusal("Prepare", "seen before", 3, 50)
    report = {"incidents": {"PrePrepare: too far ahead": 2}, "refused": []}
    frames = [
        {"peer": "replica 3", "reason": "malformed", "count": 4},
        {"peer": "replica 2", "reason": "malformed", "count": 9},
    ]
    left = Event(20, "view-change", {"view": 1, "reason": "request-timeout"})
    early = Event(5, "view-change", {"view": 1, "reason": "joined"})
    before = Look({0: {}}, {0: told(0)})
    after = Look({0: report | {"refused": frames}}, {0: told(0, early, left, refusals=(refusal, slander))})

    counts = noticed({0}, {3}, "lab-liar", before, after, since=10)

    assert counts == {
        "malformed from replica 3": 4,
        "PrePrepare: too far ahead of replica 3": 2,
        "view left: request-timeout": 1,
    }


def test_any_broken_promise_is_bad() -> None:
    good = Verdict(attack="mute", kind="replica", row="B1")

    assert not good.is_bad
    assert Verdict(attack="mute", kind="replica", row="B1", safe=False).is_bad
    assert Verdict(attack="mute", kind="replica", row="B1", linearizable=False).is_bad
    assert Verdict(attack="mute", kind="replica", row="B1", available=False).is_bad
    assert Verdict(attack="mute", kind="replica", row="B1", failed="no cluster").is_bad
    assert not Verdict(attack="mute", kind="replica", row="B1", skipped="not allowed").is_bad

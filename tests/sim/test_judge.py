"""The judge convicts for each rule, and for nothing else. A checker that catches nothing is not a checker."""

from __future__ import annotations

import pytest

from quorate.core.ports import Context
from quorate.messages.protocol import Checkpoint, Commit, Message, Prepare, PrePrepare, ViewChange
from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    PreparedRecord,
    PrePreparedRecord,
    Record,
    StableRecord,
    ViewRecord,
)
from quorate.sim.checkers import Attempt, Judge

A, B = b"a" * 32, b"b" * 32
CLIENT = b"c" * 32


@pytest.fixture
def judge() -> Judge:
    return Judge({0, 1, 2}, {CLIENT}, 1)


def rules(judge: Judge) -> list[str]:
    return [verdict.rule for verdict in judge.verdicts]


def executed(number: int, digest: bytes, *requests: tuple[bytes, int, int, int]) -> dict[str, object]:
    return {"sequence_number": number, "digest": digest, "requests": list(requests)}


def run(judge: Judge, replica: int, number: int, operation: bytes, result: bytes = b"ok", time: int = 5) -> None:
    judge.see_execution(replica, 0, operation, Context(CLIENT, time, bytes(32), number), result)


def attempt(*operations: bytes) -> Attempt:
    return Attempt("a", CLIENT, 10, operations)


def test_agreement_counts_replicas_that_crashed_later(judge: Judge) -> None:
    judge.hear(0, "committed", {"view": 0, "sequence_number": 1, "digest": A})
    judge.see_start(0)
    judge.hear(1, "executed", executed(1, A))
    assert rules(judge) == []
    judge.hear(2, "executed", executed(1, B))
    assert rules(judge) == ["agreement"]


def test_one_digest_prepares_in_a_view(judge: Judge) -> None:
    judge.hear(0, "prepared", {"view": 0, "sequence_number": 1, "digest": A})
    judge.hear(1, "prepared", {"view": 1, "sequence_number": 1, "digest": B})
    assert rules(judge) == []
    judge.hear(1, "prepared", {"view": 0, "sequence_number": 1, "digest": B})
    assert rules(judge) == ["prepared uniqueness"]


def test_execution_is_in_order_and_a_restart_may_go_back(judge: Judge) -> None:
    judge.hear(0, "executed", executed(1, A))
    judge.see_start(0)
    judge.hear(0, "executed", executed(1, A))
    judge.hear(0, "state-fetched", {"sequence_number": 8})
    judge.hear(0, "executed", executed(9, A))
    assert rules(judge) == []
    judge.hear(0, "executed", executed(11, A))
    assert rules(judge) == ["order"]


def test_a_request_is_executed_once(judge: Judge) -> None:
    judge.hear(0, "executed", executed(1, A, (CLIENT, 7, 1, 0)))
    judge.hear(1, "executed", executed(1, A, (CLIENT, 7, 1, 0)))
    judge.hear(0, "executed", executed(2, B, (CLIENT, 7, 1, -1)))
    assert rules(judge) == []
    judge.hear(1, "executed", executed(2, B, (CLIENT, 7, 1, 0)))
    assert rules(judge) == ["exactly once"]


def persisted(judge: Judge, *records: Record) -> None:
    for record in records:
        judge.see_persisted(0, record)


def test_no_replica_votes_twice(judge: Judge) -> None:
    for digest in (A, B):
        persisted(judge, PrePreparedRecord(1, digest, 0, b""), BatchRecord(1, digest, b""))
    judge.see_sent(0, Prepare(0, 1, A, 0))
    judge.see_sent(0, Prepare(0, 1, A, 0))
    judge.see_sent(0, Prepare(0, 1, B, 1))  # a peer's, passed on
    assert rules(judge) == []
    judge.see_sent(0, Prepare(0, 1, B, 0))
    assert rules(judge) == ["one vote"]


def test_no_replica_takes_back_a_checkpoint(judge: Judge) -> None:
    persisted(judge, CheckpointRecord(8, A, A, b""))
    judge.see_sent(0, Checkpoint(8, A, 0, 0))
    persisted(judge, CheckpointRecord(8, B, B, b""))
    judge.see_sent(0, Checkpoint(8, B, 0, 0))
    assert rules(judge) == ["one vote"]


def test_no_replica_votes_in_a_view_that_it_left(judge: Judge) -> None:
    persisted(judge, ViewRecord(2, True, b""), PreparedRecord(1, A, 2, ()))
    judge.see_sent(0, ViewChange(2, 0, (), (), (), 0, 0))
    judge.see_sent(0, Commit(2, 1, A, 0))
    assert rules(judge) == []
    judge.see_sent(0, Commit(1, 1, A, 0))
    assert rules(judge) == ["no going back"]


@pytest.mark.parametrize(
    "message",
    [
        PrePrepare(0, 1, A, 0),
        Prepare(0, 1, A, 0),
        Commit(0, 1, A, 0),
        Checkpoint(8, A, 0, 0),
        ViewChange(1, 0, (), (), (), 0, 0),
    ],
)
def test_votes_are_on_disk_before_they_leave(judge: Judge, message: Message) -> None:
    judge.see_sent(0, message)
    assert rules(judge) == [], "in this world nobody has a disk"
    persisted(judge, StableRecord(0, A, ()))
    judge.see_sent(0, message)
    assert rules(judge) == ["durable votes"]


def test_a_prepare_covers_its_body(judge: Judge) -> None:
    persisted(judge, PrePreparedRecord(1, A, 0, b""))
    judge.see_sent(0, Prepare(0, 1, A, 0))
    assert rules(judge) == ["durable votes"]


def test_nobody_is_dragged_ahead_and_nobody_runs_ahead(judge: Judge) -> None:
    for view in (1, 2, 3):
        judge.hear(0, "view-change", {"view": view, "reason": ""})
        judge.hear(1, "entered-view", {"view": view, "primary": view})
    judge.hear(0, "view-change", {"view": 4, "reason": ""})
    judge.hear(0, "view-change", {"view": 5, "reason": "the primary of view 4 was caught"})
    assert rules(judge) == []
    judge.hear(0, "view-change", {"view": 6, "reason": ""})
    assert rules(judge) == ["views"]


def test_checkpoints_are_equal(judge: Judge) -> None:
    judge.hear(0, "checkpoint", {"sequence_number": 8, "digest": A})
    judge.hear(1, "checkpoint", {"sequence_number": 8, "digest": B})
    assert rules(judge) == ["equal checkpoints"]


def test_correct_replicas_are_not_refused_for_lying(judge: Judge) -> None:
    judge.hear(0, "refused", {"type": "Commit", "reason": "at or below the low watermark", "sender": 1})
    judge.hear(0, "refused", {"type": "Commit", "reason": "a second vote for another digest", "sender": 3})
    assert rules(judge) == []
    judge.hear(0, "refused", {"type": "Commit", "reason": "a second vote for another digest", "sender": 1})
    assert rules(judge) == ["no slander"]


def test_services_execute_the_same(judge: Judge) -> None:
    judge.see_asked(attempt(b"write k0 1"))
    run(judge, 0, 1, b"write k0 1")
    run(judge, 1, 1, b"write k0 1")
    assert rules(judge) == []
    run(judge, 2, 1, b"write k0 1", b"no")
    assert rules(judge) == ["equal executions"]


def test_only_what_was_asked_is_executed(judge: Judge) -> None:
    run(judge, 0, 1, b"write k0 1")
    assert rules(judge) == ["validity"]


def test_agreed_time_grows(judge: Judge) -> None:
    judge.see_asked(attempt(b"write k0 1", b"write k0 2"))
    run(judge, 0, 1, b"write k0 1", time=5)
    run(judge, 0, 2, b"write k0 2", time=5)
    assert rules(judge) == ["agreed time"]


def test_a_reply_needs_an_execution(judge: Judge) -> None:
    judge.see_completed(attempt(b"write k0 1"), (b"ok",), 20)
    assert judge.promised()
    judge.check_histories()
    assert "reply without execution" in rules(judge)


def test_a_reply_may_come_before_its_request_is_committed(judge: Judge) -> None:
    judge.see_asked(attempt(b"write k0 1"))
    judge.see_completed(attempt(b"write k0 1"), (b"ok",), 20)
    assert judge.promised()
    run(judge, 0, 1, b"write k0 1")
    assert not judge.promised()
    judge.check_histories()
    assert rules(judge) == []


def test_histories_are_linearizable(judge: Judge) -> None:
    judge.see_asked(attempt(b"write k0 1", b"read k0"))
    run(judge, 0, 1, b"write k0 1")
    run(judge, 0, 2, b"read k0", b"1", time=6)
    judge.see_completed(attempt(b"write k0 1"), (b"ok",), 20)
    judge.see_completed(attempt(b"read k0")._replace(invoked=30), (b"-",), 40)
    judge.check_histories()
    assert rules(judge) == ["linearizability"]
    assert "a: read k0 -> -" in judge.verdicts[0].text


def test_a_lost_request_may_have_happened(judge: Judge) -> None:
    judge.see_asked(attempt(b"write k0 1", b"read k0"))
    run(judge, 0, 1, b"read k0", b"1")
    judge.see_lost(attempt(b"write k0 1"))
    judge.see_completed(attempt(b"read k0")._replace(invoked=30), (b"1",), 40)
    judge.check_histories()
    assert rules(judge) == []


def test_a_replica_that_stops_by_itself_is_a_verdict(judge: Judge) -> None:
    judge.see_failure(1, ValueError("boom"))
    assert rules(judge) == ["no failure"]
    assert "boom" in judge.verdicts[0].text

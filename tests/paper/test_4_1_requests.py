"""Requests, exactly once, and sessions (OSDI'99 4.1; decisions: sessions, judge at execution)."""

from __future__ import annotations

import pytest

from core.group import Group, key_pair, state_of, total_of
from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import Settings
from quorate.core.access import AccessTable
from quorate.core.effects import Trace
from quorate.core.log import open_batch
from quorate.core.normal_case import answer_executed
from quorate.core.tables import ReplicatedTables
from quorate.messages.access import Grant
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import REQUESTS_MAX, Batch, Outcome, PrePrepare, Reply, Request

BOTH = pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(request_authentication="mac"), Settings(replica_authentication="signature")],
    ids=["signed requests", "macs only", "all signed"],
)


def totals(group: Group) -> list[int]:
    return [total_of(service) for service in group.services]


def replies_to(group: Group, timestamp: int, session: int | None = None) -> list[Reply]:
    return [r for _, r in group.replies if r.timestamp == timestamp and session in (None, r.session)]


def propose(group: Group, *frames: bytes, sequence_number: int | None = None, time: int | None = None) -> bytes:
    """A batch of the primary's own choosing, to all backups; its votes are cast as the real one's are."""
    core = group.core(0)
    number = core.next_sequence_number if sequence_number is None else sequence_number
    data = encode_batch(Batch(group.wall if time is None else time, frames))
    digest = open_batch(data).digest
    core.next_sequence_number = number + 1
    slot = core.log.slot(number)
    from quorate.core.normal_case import record_pre_prepare

    frame = group.authenticators[0].seal(PrePrepare(core.view, number, digest, 0), (data,))
    record_pre_prepare(core, slot, open_batch(data), frame)
    group.settle(0)
    for receiver in range(1, len(group.replicas)):
        group.receive(receiver, frame)
    group.run()
    return digest


@BOTH
def test_req_1_a_request_is_executed_by_all_and_answered_by_all(settings: Settings) -> None:
    """4.1: the client "waits for f + 1 replies with valid signatures from different replicas, with the same t and
    r"."""
    group = Group(4, settings)
    session = group.open_session()
    group.submit(group.request((b"add 5", b"add 2"), session, 1), 0)
    assert totals(group) == [7, 7, 7, 7]
    replies = replies_to(group, 1, session)
    assert {reply.replica for reply in replies} == {0, 1, 2, 3}
    assert {(reply.outcome, reply.results) for reply in replies} == {(Outcome.EXECUTED, (b"5", b"7"))}


def test_req_1_what_is_no_request_of_a_known_client_is_not_queued() -> None:
    """REQ-1, one condition at a time; the state stays as it was."""
    group = Group(4, Settings(request_bytes_max=1024))
    session = group.open_session()
    stranger = ClientAuthenticator(key_pair(99), group.configuration)
    cases = {
        "larger": group.request((b"x" * 2000,), session, 1),
        "neither": group.request((), session, 1),
        "unknown": stranger.seal(Request(stranger.client_id, 0, 1, ())),
    }
    for why, frame in cases.items():
        for receiver in (0, 1):
            core = group.core(receiver)
            before = state_of(core)
            core.outbox.clear()
            group.replicas[receiver].receive(group.authenticators[receiver].open(frame), group.now, group.wall)
            assert state_of(core) == before
            (trace,) = core.outbox
            assert isinstance(trace, Trace)
            assert why.strip() in str(trace.details["reason"])


def test_req_1_a_backup_passes_a_request_to_the_primary() -> None:
    """4.1: "the request is relayed to the primary" by a replica that has not processed it."""
    group = Group(4)
    group.submit(group.request((), 0, 1), 3)
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4


def test_req_2_a_request_that_was_executed_is_answered_again_not_executed_again() -> None:
    """4.1: "if the request has already been processed, the replicas simply re-send the reply"."""
    group = Group(4)
    session = group.open_session()
    frame = group.request((b"add 5",), session, 1)
    group.submit(frame, 0)
    before = group.core(0).last_executed
    group.replies.clear()
    group.submit(frame)
    assert totals(group) == [5] * 4
    assert group.core(0).last_executed == before
    assert {(number, reply.results) for number, reply in group.replies} == {(number, (b"5",)) for number in range(4)}


def test_req_2_an_older_timestamp_is_never_executed() -> None:
    """4.1: replicas "discard requests whose timestamp is lower than the timestamp in the last reply they sent"."""
    group = Group(4)
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 10), 0)
    group.replies.clear()
    group.submit(group.request((b"add 100",), session, 9))
    propose(group, group.request((b"add 1000",), session, 8))
    assert totals(group) == [5] * 4
    assert group.replies == []
    # A timestamp far in the future locks out that session's own smaller ones, and nothing else (C4).
    group.submit(group.request((b"add 1",), session, 2**63 - 1))
    assert totals(group) == [6] * 4


def test_exec_2_a_request_twice_in_a_batch_and_across_batches_is_executed_once() -> None:
    """P11: a primary that orders a request again, in one batch or in another, has it executed once; each time the
    client gets the one reply."""
    group = Group(4)
    session = group.open_session()
    frame = group.request((b"add 5",), session, 1)
    newer = group.request((b"add 7",), session, 2)
    propose(group, frame, frame, newer, frame)
    propose(group, newer, frame)
    assert totals(group) == [12] * 4
    assert {reply.results for reply in replies_to(group, 1, session)} == {(b"5",)}
    assert {reply.results for reply in replies_to(group, 2, session)} == {(b"12",)}


def test_exec_2_the_same_timestamp_for_two_operations_executes_one() -> None:
    """C5: agreement decides which; every replica does the same, and no replica waits for the other for ever."""
    group = Group(4)
    session = group.open_session()
    group.receive(1, group.request((b"add 1",), session, 1))
    group.receive(2, group.request((b"add 2",), session, 1))
    group.run()
    group.advance(3000)
    assert len(set(totals(group))) == 1
    assert totals(group)[0] in (1, 2)
    assert [group.core(number).view for number in range(4)] == [0] * 4
    assert [len(group.core(number).waiting) for number in range(4)] == [0] * 4


def test_exec_2_permission_is_judged_at_execution_by_all_alike() -> None:
    """A primary that orders a stranger's authentic request changes nothing: it is denied by the replicated state."""
    group = Group(4)
    stranger = ClientAuthenticator(key_pair(99), group.configuration)
    propose(
        group,
        stranger.seal(Request(stranger.client_id, 0, 1, ())),
        stranger.seal(Request(stranger.client_id, 77, 1, (b"add 1",))),
    )
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4
    assert totals(group) == [0] * 4
    assert group.replies == []


def test_exec_2_a_service_that_raises_is_answered_with_nothing_and_goes_on() -> None:
    """A defect of the service at one operation is that operation's answer, not the end of the group."""
    group = Group(4)
    session = group.open_session()
    for service in group.services:
        honest = service.execute

        def failing(operation, context, honest=honest):  # type: ignore[no-untyped-def]
            if operation == b"fail":
                raise ZeroDivisionError
            return honest(operation, context)

        service.execute = failing  # type: ignore[method-assign]
    group.submit(group.request((b"add 1", b"fail", b"add 1"), session, 1), 0)
    assert {reply.results for reply in replies_to(group, 1, session)} == {(b"1", None, b"2")}
    group.submit(group.request((b"add 1",), session, 2), 0)
    assert totals(group) == [3] * 4


def test_exec_2_results_beyond_the_limit_of_a_reply_are_left_out() -> None:
    """The operations are executed all the same, at every replica alike."""
    group = Group(4, Settings(reply_bytes_max=1024, digest_replies=False))
    session = group.open_session()
    for service in group.services:
        service.execute = lambda operation, context: b"r" * int(operation)  # type: ignore[method-assign]
    group.submit(group.request((b"600", b"600", b"2000", b"424", b"1"), session, 1), 0)
    expected = (b"r" * 600, None, None, b"r" * 424, None)
    assert {reply.results for reply in replies_to(group, 1, session)} == {expected}


def test_sess_1_a_session_is_named_by_what_opened_it() -> None:
    """Architecture: "a session is opened by an ordered operation and named by the sequence number and index"."""
    group = Group(4)
    propose(group, group.request((), 0, 1, client=1), group.request((), 0, 1, client=0))
    names = {reply.client: reply.results for _, reply in group.replies}
    first, second = (group.clients[1].client_id, group.clients[0].client_id)
    assert names[first] == ((1 * REQUESTS_MAX).to_bytes(8, "big"),)
    assert names[second] == ((1 * REQUESTS_MAX + 1).to_bytes(8, "big"),)


def test_sess_1_a_replayed_opening_opens_nothing() -> None:
    """Openings have growing timestamps: a replay is answered with the last one's session, an older one as stale; so
    none
    can be used to push out the client's live sessions."""
    group = Group(4, Settings(sessions_per_client=2))
    opening = group.request((), 0, 5)
    group.submit(opening)
    session = group.replies[0][1].results
    propose(group, opening, opening)
    propose(group, group.request((), 0, 4))
    group.submit(opening)
    answers = {(reply.timestamp, reply.outcome, reply.results) for _, reply in group.replies}
    assert answers == {
        (5, Outcome.SESSION_OPENED, session),
        (4, Outcome.STALE, ((5).to_bytes(8, "big"),)),
    }


def test_sess_1_the_least_recently_used_session_is_closed() -> None:
    """At most S a client; which one goes is replicated state, so every replica closes the same."""
    group = Group(4, Settings(sessions_per_client=2))
    first, second = group.open_session(timestamp=1), group.open_session(timestamp=2)
    group.submit(group.request((b"add 1",), first, 1), 0)
    third = group.open_session(timestamp=3)
    other = group.open_session(client=1, timestamp=9)
    for session in (first, third):
        group.submit(group.request((b"add 10",), session, 2), 0)
    group.submit(group.request((b"add 1000",), second, 2), 0)
    group.submit(group.request((b"add 100",), other, 2, client=1), 0)
    assert totals(group) == [121] * 4
    closed = [reply for _, reply in group.replies if reply.session == second]
    assert {reply.outcome for reply in closed} == {Outcome.SESSION_CLOSED}
    assert len({reply.replica for reply in closed}) == 4


@pytest.mark.parametrize("session", [1, 12345, 2**63 - 1])
def test_sess_1_an_unknown_session_is_closed_never_executed(session: int) -> None:
    """Architecture: "a request of an unknown session is answered closed, never executed"."""
    group = Group(4)
    group.open_session()
    group.submit(group.request((b"add 1",), session, 1))
    assert totals(group) == [0] * 4
    assert {reply.outcome for reply in replies_to(group, 1, session)} == {Outcome.SESSION_CLOSED}
    # Another client's session is as unknown as one that never was.
    mine = group.open_session(timestamp=2)
    group.submit(group.request((b"add 1",), mine, 1, client=1))
    assert totals(group) == [0] * 4


def test_a_waiting_request_leaves_the_queue_when_it_is_superseded() -> None:
    """Architecture: it leaves, and stops its timer, once executed state makes it refusable or superseded."""
    group = Group(4)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Request)
    group.receive(3, group.request((b"add 1",), session, 1))
    group.submit(group.request((b"add 2",), session, 2), 0)
    assert len(group.core(3).waiting) == 0
    group.advance(5000)
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_the_reply_table_is_alike_everywhere_whatever_the_view() -> None:
    """Facts 1.3: view, replica id and MACs are not in the table; equal histories give equal digests."""
    client = key_pair(1).public_key
    tables = [ReplicatedTables(AccessTable([Grant(client, "one")]), 4) for _ in range(2)]
    for copy in tables:
        opened = copy.open_session(Request(client, 0, 1, ()), 3, 0)
        session = int.from_bytes(opened.results[0] or b"", "big")
        copy.record(Request(client, session, 4, (b"x",)), Outcome.EXECUTED, (b"y",))
        copy.snapshot()
    assert tables[0].digest() == tables[1].digest()
    tables[1].record(Request(client, session, 5, (b"x",)), Outcome.EXECUTED, (b"y",))
    tables[1].snapshot()
    assert tables[0].digest() != tables[1].digest()


def test_answer_executed_knows_what_was_never_seen() -> None:
    """Nothing is answered for a session or a timestamp that was not executed."""
    group = Group(4)
    session = group.open_session()
    core = group.core(0)
    client = group.clients[0].client_id
    assert not answer_executed(core, Request(client, session, 1, (b"x",)))
    assert not answer_executed(core, Request(client, session + 1, 1, (b"x",)))
    assert not answer_executed(core, Request(client, 0, 2, ()))

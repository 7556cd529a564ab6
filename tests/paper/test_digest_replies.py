"""Digest replies (OSDI'99 5.1; facts 3.1)."""

from __future__ import annotations

import msgspec
import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core.normal_case import propose_batch
from quorate.core.quorum import designated_of
from quorate.core.waiting import Waiting
from quorate.messages.codec import encode
from quorate.messages.digests import WHOLE_BYTES_MAX, are_large, reply_digest, request_digest
from quorate.messages.protocol import Commit, Decided, Outcome, Reply, Request

MANY = (b"add 10",) * 200
"""Operations whose results are large together."""


def totals_of(group: Group, request: int) -> tuple[bytes, ...]:
    """What the *request*-th of these returns."""
    return tuple(b"%d" % (10 * (200 * (request - 1) + at + 1)) for at in range(200))


def replies_to(group: Group, timestamp: int) -> dict[int, Reply]:
    """The last reply of each replica."""
    return {sender: reply for sender, reply in group.replies if reply.session and reply.timestamp == timestamp}


@pytest.mark.parametrize("replica_count", [4, 7])
def test_dig_1_one_replica_sends_the_results_and_the_others_their_digest(replica_count: int) -> None:
    """5.1: "A client request designates a replica to send the result; all other replicas send replies containing just
    the digest of the result"."""
    group = Group(replica_count)
    session = group.open_session()
    group.submit(group.request(MANY, session, 1))

    replies = replies_to(group, 1)
    results = totals_of(group, 1)
    designated = designated_of(group.clients[0].client_id, session, 1, replica_count)
    assert sorted(replies) == list(range(replica_count))
    assert replies[designated].results == results
    assert {reply.results for sender, reply in replies.items() if sender != designated} == {
        reply_digest(Outcome.EXECUTED, results)
    }


def test_dig_1_every_replica_has_its_turn() -> None:
    group = Group()
    session = group.open_session()
    for timestamp in range(1, 9):
        group.submit(group.request(MANY, session, timestamp))

    whole = [
        sender
        for timestamp in range(1, 9)
        for sender, reply in replies_to(group, timestamp).items()
        if isinstance(reply.results, tuple)
    ]
    assert sorted(whole) == sorted(2 * [0, 1, 2, 3])
    assert whole[:4] == whole[4:]


def test_dig_1_small_results_are_sent_whole_by_all_and_are_no_longer_than_before() -> None:
    group = Group()
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 1), 0)

    assert {reply.results for reply in replies_to(group, 1).values()} == {(b"5",)}
    for is_large, results in ((False, (bytes(WHOLE_BYTES_MAX), None)), (True, (bytes(WHOLE_BYTES_MAX), None, b"1"))):
        assert are_large(results) == is_large


def test_dig_1_a_reply_takes_no_byte_for_what_it_might_have_been() -> None:
    reply = Reply(3, b"c" * 32, 1, 7, Outcome.EXECUTED, (b"5", None), 2, True)
    assert encode(reply) == msgspec.msgpack.encode([5, 3, b"c" * 32, 1, 7, Outcome.EXECUTED, [b"5", None], 2, True])


def test_dig_1_it_can_be_switched_off() -> None:
    group = Group(4, Settings(digest_replies=False))
    session = group.open_session()
    group.submit(group.request(MANY, session, 1))

    assert {reply.results for reply in replies_to(group, 1).values()} == {totals_of(group, 1)}


def test_dig_1_the_digest_covers_the_outcome_and_every_result() -> None:
    results: tuple[bytes | None, ...] = (b"1", None, b"2")
    others = [(b"1", b"", b"2"), (b"1", None), (b"1", None, b"2", None), (b"12", None, b""), (b"1", b"2", None)]
    digests = {reply_digest(Outcome.EXECUTED, one) for one in [results, *others]}
    assert len(digests) == 1 + len(others)
    assert reply_digest(Outcome.READ_ONLY, results) not in digests


def test_dig_1_what_is_executed_tentatively_is_answered_by_digest_too() -> None:
    """Goes together with tentative replies: view and flag stand beside the digest (TENT-4)."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
    group.submit(group.request(MANY, session, 1))

    replies = replies_to(group, 1).values()
    assert {(reply.is_tentative, reply.view) for reply in replies} == {(True, 0)}
    assert sorted(isinstance(reply.results, bytes) for reply in replies) == [False, True, True, True]


def test_dig_2_what_is_asked_again_is_answered_whole_by_all() -> None:
    """5.1: "If the client does not receive a correct result from the designated replica, it retransmits the request
    (as usual) requesting all replicas to send full replies"."""
    group = Group()
    session = group.open_session()
    frame = group.request(MANY, session, 1)
    group.submit(frame)
    group.replies.clear()

    group.submit(frame)

    assert {sender: reply.results for sender, reply in group.replies} == dict.fromkeys(range(4), totals_of(group, 1))


def test_dig_2_also_when_it_was_ordered_twice() -> None:
    """A request in two batches of which the later one only repeats it is answered whole for that."""
    group = Group()
    session = group.open_session()
    frame = group.request(MANY, session, 1)
    group.submit(frame)
    group.replies.clear()

    opened = group.authenticators[0].open(frame)
    assert isinstance(opened.message, Request)
    propose_batch(group.core(0), [Waiting(opened.message, request_digest(opened.envelope.payload), frame)])
    group.settle(0)
    group.run()

    assert {sender: reply.results for sender, reply in group.replies} == dict.fromkeys(range(4), totals_of(group, 1))


def test_dig_1_what_a_client_receives_for_4_kib_is_at_most_40_percent() -> None:
    """Bytes, not time: the frames of the replies to one operation with a result of 4 KiB."""
    received = {}
    for is_on in (True, False):
        group = Group(4, Settings(digest_replies=is_on))
        session = group.open_session()
        group.reply_frames.clear()
        for service in group.services:
            service.execute = lambda operation, context: bytes(4096)  # type: ignore[method-assign]
        group.submit(group.request((b"get",), session, 1), 0)
        assert len(group.reply_frames) == 4
        received[is_on] = sum(map(len, group.reply_frames))

    assert received[False] > 4 * 4096
    assert received[True] <= 0.4 * received[False]

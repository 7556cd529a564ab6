"""Separate transmission of large requests (OSDI'99 4.2, 5.1; facts 3.5)."""

from __future__ import annotations

import pytest

from core.group import Group, total_of
from quorate.config import Settings
from quorate.core import separate
from quorate.core.log import OpenBatch, Phase, Slim, open_batch, open_proposal
from quorate.core.normal_case import propose_batch
from quorate.core.waiting import Waiting, WaitingRequests
from quorate.errors import MalformedMessage
from quorate.messages.codec import Envelope, decode, decode_envelope, encode_batch, encode_envelope
from quorate.messages.digests import batch_digest, request_digest
from quorate.messages.protocol import (
    SEPARATE_BYTES,
    Batch,
    Batches,
    CheckpointClaim,
    Chosen,
    Decided,
    FetchBatches,
    Message,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Request,
    Status,
    ViewChange,
)

LARGE = (b"add 1",) * 300
"""Operations that make a large request together."""
OTHER = (b"add 2",) * 300


def no_fetching(sender: int, receiver: int, message: Message) -> bool:
    """Bodies come from clients alone."""
    return not isinstance(message, FetchBatches)


def totals(group: Group) -> list[int]:
    return [total_of(service) for service in group.services]


def count(group: Group, kind: type[Message], sender: int | None = None) -> int:
    """How many messages of a kind were sent."""
    return sum(1 for by, message in group.sent if isinstance(message, kind) and sender in (None, by))


def digest_of(frame: bytes) -> bytes:
    return request_digest(decode_envelope(frame).payload)


def waiting_of(group: Group, frame: bytes) -> Waiting:
    request = decode(decode_envelope(frame).payload)
    assert isinstance(request, Request)
    return Waiting(request, digest_of(frame), frame)


def bytes_sent(settings: Settings, operations: tuple[bytes, ...]) -> int:
    """What the primary sends for one request, in bytes: to replicas and to the client, framing apart."""
    group = Group(4, settings)
    session = group.open_session()
    sent = []
    seal = group.authenticators[0].seal

    def sealed(message: Message, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        frame = seal(message, attachments, receiver)
        sent.append(len(frame) * (3 if receiver is None and not hasattr(message, "client") else 1))
        return frame

    group.authenticators[0].seal = sealed  # type: ignore[method-assign]
    for service in group.services:
        service.execute = lambda operation, context: b"ok"  # type: ignore[method-assign]
    frame = group.request(operations, session, 1)
    if settings.separate_requests:
        group.submit(frame)
    else:
        group.submit(frame, 0)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    return sum(sent)


def test_sep_1_a_large_request_is_ordered_by_its_digest() -> None:
    """4.2: "large requests" may have "a transport optimized for large requests", as bodies are no part of the
    PRE-PREPARE."""
    group = Group()
    session = group.open_session()
    small = group.request((b"add 5",), session, 1, client=0)
    frame = group.request(LARGE, session, 1)
    group.reaches = no_fetching
    group.submit(frame)

    proposal = open_proposal(decode_envelope(group.core(1).log.slots[2].frame).attachments[0])
    assert isinstance(proposal, Slim)
    assert proposal.entries == (digest_of(frame),)
    assert totals(group) == [300] * 4
    group.submit(group.request((b"add 5",), session, 2), 0)
    assert isinstance(open_proposal(decode_envelope(group.core(1).log.slots[3].frame).attachments[0]), OpenBatch)
    assert len(small) < SEPARATE_BYTES < len(frame)


def test_sep_1_what_is_agreed_on_and_what_is_kept_is_as_without_it() -> None:
    """The batch digest covers the time and the requests' digests alone."""
    held = []
    for is_on in (True, False):
        group = Group(4, Settings(separate_requests=is_on))
        session = group.open_session()
        group.submit(group.request(LARGE, session, 1))
        digests = {group.core(number).log.slots[2].decided for number in range(4)}
        (digest,) = digests
        assert digest is not None
        held.append((digest, [group.core(number).log.batch(digest) for number in range(4)]))
    assert held[0] == held[1]


def test_sep_1_the_primary_sends_at_most_40_percent_of_the_bytes_for_4_kib() -> None:
    """Bytes, not time: everything that the primary says for one request with an argument of 4 KiB."""
    operations = (b"x" * 4096,)
    apart, together = (bytes_sent(Settings(separate_requests=is_on), operations) for is_on in (True, False))
    assert together > 3 * 4096
    assert apart <= 0.4 * together


def test_sep_1_after_a_backup_had_to_fetch_the_clients_next_ones_go_along() -> None:
    """A client that sends to few replicas delays one batch, not every batch that it is in."""
    group = Group()
    session = group.open_session()
    group.submit(group.request(LARGE, session, 1), 0)
    group.advance(200)
    assert totals(group) == [300] * 4
    fetched = count(group, FetchBatches)
    assert fetched > 0

    group.submit(group.request(LARGE, session, 2), 0)

    assert totals(group) == [600] * 4
    assert count(group, FetchBatches) == fetched
    for timestamp in range(3, 3 + separate.SENT_ALONG):
        group.submit(group.request(LARGE, session, timestamp))
    highest = max(group.core(1).log.slots)
    slot = group.core(1).log.slots[highest]
    assert isinstance(open_proposal(decode_envelope(slot.frame).attachments[0]), Slim)


def test_sep_3_who_is_late_with_its_requests_each_time_stalls_nobody_each_time() -> None:
    """A client sends to the primary, and to the backups only 40 ms later: just too late to be of use."""
    group = Group()
    session = group.open_session()
    waits = 0
    for timestamp in range(1, 12):
        frame = group.request(LARGE, session, timestamp)
        group.submit(frame, 0)
        group.advance(15)
        waits += totals(group) != [300 * timestamp] * 4
        group.advance(25)
        group.submit(frame, 1, 2, 3)
    assert waits == 0
    assert 0 < count(group, FetchBatches) <= 3


def test_sep_1_who_lags_and_fetches_old_bodies_does_not_count() -> None:
    group = Group()
    session = group.open_session()
    group.submit(group.request(LARGE, session, 1))
    digest = group.core(0).log.slots[2].digest
    assert digest is not None
    group.say(3, FetchBatches((digest,), 3), 0)
    assert group.core(0).unreached == {}


def test_sep_2_a_proposal_that_lacks_a_request_is_no_vote_until_it_comes() -> None:
    """Facts 3.5: "a backup prepares only when it holds all bodies"."""
    group = Group()
    session = group.open_session()
    frame = group.request(LARGE, session, 1)
    group.reaches = no_fetching
    before = count(group, PrePrepare)
    group.submit(frame, 0)

    assert count(group, PrePrepare) == before + 1
    assert [group.core(number).log.slots[2].phase for number in (1, 2, 3)] == [Phase.EMPTY] * 3
    assert all(not group.core(number).log.slots[2].prepares for number in range(4))
    assert all(2 not in group.core(number).log.pre_prepared_claims for number in (1, 2, 3))

    group.submit(frame, 1, 2, 3)
    assert totals(group) == [300] * 4
    assert [number for number in range(4) if group.core(number).parked] == []


def test_sep_2_only_an_authentic_copy_of_just_that_request_fills_it_in() -> None:
    """C5: the same timestamp, other operations."""
    group = Group()
    session = group.open_session()
    group.reaches = no_fetching
    group.submit(group.request(LARGE, session, 1), 0)
    group.submit(group.request(OTHER, session, 1), 1, 2, 3)

    assert totals(group) == [0] * 4
    assert [group.core(number).log.slots[2].phase for number in (1, 2, 3)] == [Phase.EMPTY] * 3


def test_sep_2_the_request_before_the_one_that_waits_is_still_held() -> None:
    """A client that has its answer goes on; a backup that is late gets its next request before the proposal."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3 and no_fetching(sender, receiver, message)
    group.submit(group.request(LARGE, session, 1))
    late = [frame for _, receiver, frame in group.wire if receiver == 3]
    assert late == []
    proposal = group.core(0).log.slots[2].frame
    group.submit(group.request(LARGE, session, 2), 3)
    group.receive(3, proposal)

    assert group.core(3).log.slots[2].phase >= Phase.PRE_PREPARED


def test_sep_2_what_is_kept_for_that_is_bounded() -> None:
    """As what waits is: one a session, and so many bytes a client."""
    group = Group()
    frames = [group.request((b"x" * 2000,), 1, timestamp) for timestamp in range(1, 9)]
    waiting = WaitingRequests(16, 16, 6000)
    for frame in frames:
        assert waiting.add(waiting_of(group, frame))
    assert len(waiting.large) == 2
    assert waiting.large.find(digest_of(frames[-2])) is not None
    waiting.executed(waiting_of(group, frames[-2]).request)
    assert len(waiting.large) == 1
    waiting.executed(waiting_of(group, frames[-1]).request)
    assert len(waiting.large) == 0
    for session in range(1, 4):
        for timestamp in (1, 2):
            waiting.add(waiting_of(group, group.request((b"x" * 1800,), session, timestamp)))
    assert len(waiting.large) == 3 + 3
    waiting.add(waiting_of(group, group.request((b"y" * 1200,), 1, 3)))
    waiting.forget(group.clients[0].client_id)
    assert len(waiting.large) == 0


@pytest.mark.parametrize("replica_count", [4, 7])
def test_sep_3_what_lacks_is_fetched_after_a_while(replica_count: int) -> None:
    """C8: "big body sent to primary only"."""
    group = Group(replica_count)
    session = group.open_session()
    group.submit(group.request(LARGE, session, 1), 0)
    assert count(group, FetchBatches) == 0
    assert totals(group) == [0] * replica_count
    group.advance(group.configuration.settings.status_interval_ms)

    assert totals(group) == [300] * replica_count
    assert count(group, FetchBatches) == replica_count - 1
    assert all(group.core(number).missing == {} for number in range(replica_count))


def test_sep_3_from_others_when_the_primary_gives_none() -> None:
    """A primary that leaves everybody to fetch, and answers nobody."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not (sender == 0 and isinstance(message, Batches))
    group.submit(group.request(LARGE, session, 1), 0, 1)
    group.advance(500)

    assert totals(group) == [300] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def spoilt(data: bytes) -> bytes:
    """The same batch, its requests' authentication wrong."""
    batch = open_batch(data)
    frames = [encode_envelope(Envelope(decode_envelope(frame).payload, bytes(65))) for frame in batch.frames]
    return encode_batch(Batch(batch.time, tuple(frames)))


def one_that_lacks_a_body() -> tuple[Group, bytes, bytes]:
    """A group whose replica 3 lacks a large request and hears of no PREPARE; the digest of its batch, and its bytes."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3 or not isinstance(message, Prepare | Batches)
    group.submit(group.request(LARGE, session, 1), 0, 1, 2)
    group.advance(100)
    digest = group.core(3).log.slots[2].parked.digest  # type: ignore[union-attr]
    body = group.core(0).log.batch(digest)
    assert body is not None
    return group, digest, body.data


def test_sep_3_a_liar_that_spoils_the_authentication_is_not_believed_and_others_are_asked() -> None:
    group, digest, data = one_that_lacks_a_body()
    core = group.core(3)
    assert digest in core.missing

    group.say(2, Batches(2), 3, attachments=(spoilt(data),))
    assert core.log.slots[2].phase is Phase.EMPTY
    assert digest in core.missing
    assert core.log.batch(digest) is None
    group.say(1, Batches(1), 3, attachments=(data,))
    assert core.log.slots[2].phase is Phase.PRE_PREPARED
    assert digest not in core.missing


def test_sep_3_spoilt_requests_beside_a_relayed_proposal_end_no_view() -> None:
    """What stands beside a PRE-PREPARE is not authenticated by it: a liar passes on the primary's with spoilt requests,
    of which the backups had none."""
    group = Group()
    session = group.open_session()
    group.stopped.add(3)
    group.submit(group.request(LARGE, session, 1), 0)
    slot = group.core(0).log.slots[2]
    envelope, body = decode_envelope(slot.frame), group.core(0).log.batch(slot.digest or b"")
    assert body is not None
    for victim in (1, 2):
        relayed = Envelope(envelope.payload, envelope.authentication, (spoilt(body.data),))
        group.receive(victim, encode_envelope(relayed))
    group.advance(2 * group.configuration.settings.view_change_timeout_ms)
    assert [group.core(number).view for number in range(3)] == [0] * 3
    assert totals(group)[:3] == [300] * 3


def test_sep_3_the_claim_of_one_liar_does_not_make_a_spoilt_body_the_one_to_use() -> None:
    """Nor does a liar's VIEW-CHANGE that has the digest in P."""
    group = Group()
    session = group.open_session()
    group.stopped.add(3)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Batches)
    group.submit(group.request(LARGE, session, 1), 0)
    core = group.core(0)
    digest = core.log.slots[2].digest or b""
    body = core.log.batch(digest)
    assert body is not None
    checkpoint = CheckpointClaim(0, core.checkpoints.held[0].digest)
    prepared, pre_prepared = PreparedClaim(2, digest, 0, ()), PrePreparedClaim(2, digest, 0)
    group.say(3, ViewChange(1, 0, (checkpoint,), (prepared,), (pre_prepared,), 3, 0))
    group.advance(60)
    for victim in (1, 2):
        assert digest in group.core(victim).missing
        group.say(3, Batches(3), victim, attachments=(spoilt(body.data),))
    group.reaches = lambda sender, receiver, message: True
    group.advance(2 * group.configuration.settings.view_change_timeout_ms)
    assert [group.core(number).view for number in range(3)] == [0] * 3
    assert totals(group)[:3] == [300] * 3


def test_sep_3_f_prepares_vouch_for_whatever_authenticates_it() -> None:
    """PP-4: a request whose MAC holds at the others is theirs to vouch for."""
    group, digest, data = one_that_lacks_a_body()
    core = group.core(3)
    group.say(2, Batches(2), 3, attachments=(spoilt(data),))
    assert core.log.slots[2].phase is Phase.EMPTY
    group.say(1, Prepare(0, 2, digest, 1), 3)
    assert core.log.slots[2].phase >= Phase.PRE_PREPARED


def test_sep_3_a_digest_whose_request_nobody_has_blocks_no_view_change() -> None:
    """Facts 2.6, point 6 (CCF#839): nobody votes for it, so no new view carries it; what waits is executed there."""
    group = Group()
    session = group.open_session()
    core = group.core(0)
    unknown = b"?" * 32
    digest = batch_digest(group.wall, [unknown])
    proposal = PrePrepare(0, 2, digest, 0)
    group.say(0, proposal, attachments=(encode_batch(Batch(group.wall, (unknown,))),))
    group.stopped.add(0)
    group.submit(group.request(LARGE, session, 1), 1, 2, 3)
    assert all(group.core(number).log.slots[2].parked is not None for number in (1, 2, 3))
    group.advance(3 * group.configuration.settings.view_change_timeout_ms)

    assert [group.core(number).view for number in (1, 2, 3)] == [1] * 3
    assert totals(group)[1:] == [300] * 3
    assert core.last_executed == 1
    assert all(digest not in group.core(number).missing for number in (1, 2, 3))


def test_sep_3_nobody_spins_when_it_is_fetched_for_another_reason_already() -> None:
    """The slot is decided, by f + 1 claims, while its proposal waits for the request."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, FetchBatches | Status)
    group.submit(group.request(LARGE, session, 1), 0)
    core = group.core(3)
    digest = core.log.slots[2].parked.digest  # type: ignore[union-attr]
    for sender in (1, 2):
        group.say(sender, Decided((Chosen(2, digest),), sender), 3)
    assert digest in core.missing

    group.advance(group.configuration.settings.status_interval_ms)
    due = group.replicas[3].next_deadline()
    assert due is not None
    assert due > group.now


def test_sep_3_a_body_beyond_the_limits_is_not_taken() -> None:
    """P13: small digests may stand for a batch that is too large; it is no batch of a correct primary."""
    group = Group(4, Settings(batch_bytes_max=2048, request_bytes_max=2048))
    session = group.open_session()
    frames = [group.request((b"x" * 1400,), session, timestamp) for timestamp in (1, 2, 3, 4)]
    propose_batch(group.core(0), [waiting_of(group, frame) for frame in frames])
    group.settle(0)
    group.run()
    group.advance(300)

    assert all(group.core(number).log.slots[2].phase is Phase.EMPTY for number in (1, 2, 3))


def test_sep_2_a_digest_is_no_request_anywhere_else() -> None:
    data = encode_batch(Batch(7, (b"d" * 32,)))
    proposal = open_proposal(data)
    assert isinstance(proposal, Slim)
    assert proposal.digest == batch_digest(7, [b"d" * 32])
    with pytest.raises(MalformedMessage):
        open_batch(data)


def requests_to_primary(group: Group) -> int:
    return count(group, Request)


def test_sep_4_what_its_client_sends_to_all_is_not_passed_on_at_once() -> None:
    group = Group()
    session = group.open_session()
    before = requests_to_primary(group)
    group.submit(group.request(LARGE, session, 1), 1, 2, 3)
    assert requests_to_primary(group) == before


def test_sep_4_when_it_comes_again_it_is_passed_on_once() -> None:
    """A client that does not reach the primary sends it again."""
    group = Group()
    session = group.open_session()
    frame = group.request(LARGE, session, 1)
    group.submit(frame, 1)
    before = requests_to_primary(group)
    group.submit(frame, 1)
    assert requests_to_primary(group) == before + 1
    for _ in range(3):
        group.receive(1, frame)
    assert requests_to_primary(group) == before + 1


def test_sep_4_half_of_the_primarys_time_is_left_to_it() -> None:
    """A client that sends to all but the primary costs no view."""
    group = Group()
    session = group.open_session()
    group.submit(group.request(LARGE, session, 1), 1, 2, 3)
    timeout = group.configuration.settings.view_change_timeout_ms
    group.advance(timeout // 2 - 20)
    assert totals(group) == [0] * 4
    group.advance(200)

    assert totals(group) == [300] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_sep_4_what_was_ordered_meanwhile_is_not_passed_on() -> None:
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Prepare)
    frame = group.request(LARGE, session, 1)
    group.submit(frame)
    before = requests_to_primary(group)
    group.advance(group.configuration.settings.view_change_timeout_ms - 100)
    assert requests_to_primary(group) == before


def test_sep_1_it_can_be_switched_off() -> None:
    group = Group(4, Settings(separate_requests=False))
    session = group.open_session()
    group.submit(group.request(LARGE, session, 1), 1)
    assert totals(group) == [300] * 4
    assert isinstance(open_proposal(decode_envelope(group.core(1).log.slots[2].frame).attachments[0]), OpenBatch)


def test_sep_2_a_restarted_primary_repeats_its_proposal_whole() -> None:
    """What it kept is the batch; who got the requests, it has forgotten."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: sender != 0
    group.submit(group.request(LARGE, session, 1), 0)
    group.restart(0)
    group.reaches = no_fetching
    group.advance(300)
    assert totals(group) == [300] * 4

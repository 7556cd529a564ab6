"""STATUS, DECIDED and bodies: retransmission by any peer (OSDI'99 6.1; facts 3.3, 3.5, 3.9; P14)."""

from __future__ import annotations

import pytest

from core.group import Group, state_of, total_of
from quorate.config import Settings
from quorate.core import view_change
from quorate.core.context import Status
from quorate.core.log import open_batch
from quorate.core.quorum import quorums_of
from quorate.core.retransmission import FETCH_MAX, lacks_something, own_status
from quorate.messages.codec import Envelope, decode_envelope, encode_batch, encode_envelope
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    Batch,
    Batches,
    Chosen,
    Commit,
    Decided,
    FetchBatches,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Request,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage

SMALL = Settings(checkpoint_interval=4)
DIGEST = b"d" * 32
MODES = pytest.mark.parametrize(
    "settings", [SMALL, Settings(checkpoint_interval=4, replica_authentication="signature")], ids=["macs", "signatures"]
)


def last_executed(group: Group) -> list[int]:
    return [group.core(number).last_executed for number in range(len(group.replicas))]


@MODES
@pytest.mark.parametrize("lost", [PrePrepare, Prepare, Commit], ids=["PRE-PREPARE", "PREPARE", "COMMIT"])
def test_stat_1_what_was_lost_is_sent_again(settings: Settings, lost: type) -> None:
    """Facts 3.9: "peers retransmit exactly what is missing"; a replica repeats its own votes."""
    group = Group(4, settings)
    group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, lost)
    group.submit(group.request((), 0, 2))
    assert max(last_executed(group)) <= 2
    group.reaches = lambda sender, receiver, message: True
    group.advance(600)
    assert last_executed(group) == [2] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


@MODES
def test_stat_1_any_peer_helps_a_backup_that_the_primary_leaves_out(settings: Settings) -> None:
    """P14: only-the-primary-retransmits strands f backups for good. Here nothing of the primary reaches replica 3."""
    group = Group(4, settings)
    group.reaches = lambda sender, receiver, message: {sender, receiver} != {0, 3}
    session = group.open_session()
    for timestamp in range(1, 20):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
        group.advance(50)
    group.advance(2000)
    assert last_executed(group) == [20] * 4
    assert [total_of(service) for service in group.services] == [19] * 4


def test_stat_1_each_peer_is_answered_at_a_bounded_rate() -> None:
    """B21: a peer that asks a thousand times at once gets one answer."""
    group = Group(4, SMALL)
    group.open_session()
    group.advance(2000)
    group.sent.clear()
    lie = StatusMessage(0, False, 0, 0, b"", 0, (NULL_DIGEST,), 3)
    for _ in range(100):
        group.say(3, lie, 1, run=False)
    assert len([message for sender, message in group.sent if sender == 1]) <= 8


def test_stat_1_own_votes_are_authenticated_anew_others_go_as_they_came() -> None:
    """Decisions, forwarding: others' messages carry their own authentication; nobody can change them."""
    group = Group(4, SMALL)
    group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3
    group.submit(group.request((), 0, 2), 0)
    frame = group.core(1).log.slots[2].frame
    assert frame == group.core(0).log.slots[2].frame
    group.reaches = lambda sender, receiver, message: sender != 0
    group.advance(2000)
    assert group.core(3).log.slots[2].frame == frame


def test_stat_1_a_view_change_is_repeated_until_a_new_view_comes() -> None:
    """Facts 1.7: "VIEW-CHANGE must be retransmitted"; a transient partition at the wrong moment deadlocked others
    (N3)."""
    group = Group(4, SMALL)
    group.open_session()
    group.stopped.add(0)
    group.reaches = lambda sender, receiver, message: not isinstance(message, ViewChange)
    group.submit(group.request((), 0, 2))
    group.advance(3000)
    assert [group.core(number).view for number in (1, 2, 3)] == [1] * 3
    assert last_executed(group)[1:] == [1] * 3
    group.reaches = lambda sender, receiver, message: True
    group.advance(1500)
    assert last_executed(group)[1:] == [2] * 3


def test_stat_1_a_new_view_is_repeated_by_whoever_entered_by_it() -> None:
    """P17: a NEW-VIEW to only some backups does not strand the others."""
    group = Group(4, SMALL)
    group.open_session()
    group.stopped.add(0)
    group.reaches = lambda sender, receiver, message: (
        not (isinstance(message, NewView) and sender == 1 and receiver == 3)
    )
    group.submit(group.request((), 0, 2))
    group.advance(2500)
    assert [group.core(number).view for number in (1, 2, 3)] == [1] * 3
    assert last_executed(group)[1:] == [2] * 3


def test_stat_1_an_idle_replica_says_status_ten_times_less_often() -> None:
    """Settings: one that lacks nothing says so ten times less often."""
    group = Group(4, SMALL)
    group.open_session()
    group.advance(5000)
    assert not any(lacks_something(group.core(number)) for number in range(4))
    group.sent.clear()
    group.advance(10_000)
    said = [sender for sender, message in group.sent if isinstance(message, StatusMessage)]
    assert 8 <= said.count(1) <= 11


def test_stat_1_it_says_what_is_there() -> None:
    """One byte a number above the low watermark, a bit a VIEW-CHANGE."""
    group = Group(4, SMALL)
    group.open_session()
    status = own_status(group.core(2))
    assert (status.view, status.low_watermark, status.last_executed, status.slots) == (0, 0, 1, bytes([7]))


def claim(group: Group, receiver: int, sender: int, *entries: tuple[int, bytes]) -> None:
    group.say(sender, Decided(tuple(Chosen(*entry) for entry in entries), sender), receiver, run=False)


def test_dec_1_a_claim_names_each_number_once() -> None:
    """DEC-1; the state stays as it was."""
    group = Group(4, SMALL)
    entries = (Chosen(1, DIGEST), Chosen(1, b"e" * 32))
    assert group.refusal(1, 2, Decided(entries, 2)) == "names a sequence number twice"


@pytest.mark.parametrize("replica_count", [4, 5, 6, 7, 10])
def test_dec_2_f_plus_1_equal_claims_execute(replica_count: int) -> None:
    """Architecture: "f + 1 DECIDED(sequence number, digest) claims, each authenticated by its claimer, with bodies that
    match the digest, execute the slot at a laggard; they make no P or Q entry"."""
    group = Group(replica_count, SMALL)
    group.reaches = lambda sender, receiver, message: False
    weak = quorums_of(replica_count).weak
    core = group.core(0)
    core.views.view = 1  # a backup, in whatever view
    claim(group, 0, 1, (1, DIGEST))
    for sender in range(1, weak):
        assert core.last_executed == 0
        claim(group, 0, sender, (1, NULL_DIGEST))
        claim(group, 0, sender, (1, NULL_DIGEST))
    for sender in range(weak, weak + 1):
        assert core.last_executed == 0
        claim(group, 0, sender, (1, NULL_DIGEST))
    # The first claim of replica 1 was another one, and stays: one more is needed.
    if weak > 1:
        assert core.last_executed == 0
        claim(group, 0, weak + 1, (1, NULL_DIGEST))
        assert core.last_executed == 1
    assert core.log.prepared_claims == {}
    assert core.log.pre_prepared_claims == {}


def test_dec_2_claims_outside_the_window_or_of_executed_numbers_leave_no_trace() -> None:
    """Bounded memory, and no step back."""
    group = Group(4, SMALL)
    group.open_session()
    core = group.core(1)
    before = state_of(core)
    entries = tuple(Chosen(number, DIGEST) for number in (0, 1, 9, 2**63 - 1))
    opened = group.authenticators[1].open(group.authenticators[2].seal(Decided(entries, 2), (), 1))
    group.replicas[1].receive(opened, group.now, group.wall)
    assert state_of(core) == before


def test_dec_2_f_liars_decide_nothing() -> None:
    """f claims are nobody's word."""
    group = Group(7, SMALL)
    group.reaches = lambda sender, receiver, message: False
    for liar in (5, 6):
        claim(group, 1, liar, (1, DIGEST))
    assert group.core(1).log.slots[1].decided is None
    assert group.core(1).missing == {}


def test_fetch_1_bodies_are_asked_for_by_digest_each_once() -> None:
    """FETCH-1; the state stays as it was."""
    group = Group(4, SMALL)
    assert group.refusal(1, 2, FetchBatches((DIGEST, DIGEST), 2)) == "names a digest twice"


def test_fetch_2_bodies_are_looked_at_while_some_are_missing() -> None:
    """FETCH-2; the state stays as it was."""
    group = Group(4, SMALL)
    data = encode_batch(Batch(1, ()))
    assert group.refusal(1, 2, Batches(2), (data,)) == "nothing is missing"


def test_fetch_2_a_missing_body_comes_from_any_peer_and_proves_itself() -> None:
    """Decisions, bodies: "a backup that lacks one asks the primary at once, then others"; a wrong one is no body."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3
    group.submit(group.request((b"add 1",), session, 1), 0)
    digest = group.core(1).log.decided_digest(2)
    assert digest is not None
    group.sent.clear()
    for claimer in (1, 2):
        claim(group, 3, claimer, (2, digest))
    assert [(sender, message) for sender, message in group.sent if isinstance(message, FetchBatches)] == [
        (3, FetchBatches((digest,), 3))
    ]
    wrong = encode_batch(Batch(1, (group.request((b"add 100",), session, 1),)))
    group.say(2, Batches(2), 3, attachments=(wrong, b"junk"), run=False)
    assert group.core(3).last_executed == 1
    assert digest in group.core(3).missing
    held = group.core(2).log.batch(digest)
    assert held is not None
    group.say(2, Batches(2), 3, attachments=(held.data,), run=False)
    assert group.core(3).last_executed == 2
    assert group.core(3).missing == {}


def test_fetch_2_a_body_counts_whatever_authenticates_its_requests() -> None:
    """The digest covers what is executed, not its authentication: what is decided needs none."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3
    group.submit(group.request((b"add 1",), session, 1), 0)
    digest = group.core(1).log.decided_digest(2)
    assert digest is not None
    body = group.core(1).log.batch(digest)
    assert body is not None
    stripped = tuple(encode_envelope(Envelope(decode_envelope(frame).payload, b"")) for frame in body.frames)
    data = encode_batch(Batch(body.time, stripped))
    assert open_batch(data).digest == digest
    for claimer in (1, 2):
        claim(group, 3, claimer, (2, digest))
    group.say(2, Batches(2), 3, attachments=(data,), run=False)
    assert total_of(group.services[3]) == 1


def test_fetch_2_what_nobody_has_keeps_no_other_body_waiting() -> None:
    """A faulty primary leaves the next one with more proposals that are not authentic than it asks for in one message.
    What it needs for its view it asks for again all the same, when the first question was lost."""
    group = Group(4, Settings())
    session = group.open_session()
    frame = group.request((b"add 1",), session, 1)
    forged = encode_envelope(Envelope(decode_envelope(frame).payload, bytes(64)))
    for number in range(3, 3 + FETCH_MAX):
        data = encode_batch(Batch(group.wall + number, (forged,)))
        group.say(0, PrePrepare(0, number, open_batch(data).digest, 0), 1, attachments=(data,))
    lost = {PrePrepare, Prepare, Commit, FetchBatches}
    group.reaches = lambda sender, receiver, message: type(message) not in lost or 1 not in (sender, receiver)
    group.submit(frame, 0)
    group.stopped.add(0)
    for number in (1, 2, 3):
        view_change.start(group.core(number), 1, "the test says so")
        group.settle(number)
    group.run()
    group.reaches = lambda sender, receiver, message: True
    group.advance(500)
    assert [(core.view, core.status, core.last_executed) for core in map(group.core, (1, 2, 3))] == [
        (1, Status.NORMAL, 2)
    ] * 3


def test_a_replica_cut_off_for_long_catches_up() -> None:
    """N4: inside the window by DECIDED, beyond the peers' history by a fetched checkpoint; then it takes part again."""
    group = Group(4, SMALL)
    session = group.open_session()
    kinds: set[type[Message]] = set()
    for length in (5, 40):
        group.stopped.add(3)
        start = group.core(0).last_executed
        for timestamp in range(start, start + length):
            group.submit(group.request((b"add 1",), session, timestamp), 0, 1, 2)
        group.stopped.clear()
        group.sent.clear()
        group.advance(6000)
        kinds = {type(message) for _, message in group.sent}
        assert len(set(last_executed(group))) == 1
        assert Decided in kinds
    assert Request not in kinds

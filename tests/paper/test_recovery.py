"""Recovery of a replica that lost its votes (OSDI'00; facts 5; docs/RECOVERY.md)."""

from __future__ import annotations

import msgspec
import pytest

from core.group import Group, key_pair, total_of
from paper.test_durable_votes import Recorder, says, votes_of
from quorate.config import Settings
from quorate.core.context import Core, Status
from quorate.core.effects import Persist
from quorate.core.log import open_batch
from quorate.core.recoveries import recovery_point
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import (
    Batch,
    Commit,
    FetchBatches,
    FetchState,
    NewKey,
    Prepare,
    PrePrepare,
    Request,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.records import CheckpointRecord, RecoveryRecord, StableRecord
from quorate.messages.recoveries import half_of

SMALL = Settings(checkpoint_interval=4, recovery_pause_ms=1000)
SIGNED = Settings(checkpoint_interval=4, recovery_pause_ms=1000, replica_authentication="signature")
MACS = Settings(checkpoint_interval=4, recovery_pause_ms=1000, request_authentication="mac")
SILENT = {NewKey, Request, StatusMessage, FetchState, FetchBatches}
"""What a recovering replica says: nothing of it is a vote, a claim or an answer."""


def lose_votes(group: Group, number: int) -> Core:
    """The replica's disk is gone, votes and state, and it starts again."""
    group.records[number].clear()
    group.kept[number].clear()
    return group.restart(number, [], lost_votes=True).core


def await_recovery(group: Group, number: int, milliseconds: int = 20_000) -> None:
    """Let time pass until the replica takes part again."""
    for _ in range(milliseconds // 50):
        group.advance(50)
        if group.core(number).status is Status.NORMAL:
            return
    raise AssertionError(f"replica {number} did not recover: {group.core(number).status}")


def lively(settings: Settings = SMALL, replica_count: int = 4) -> tuple[Group, int]:
    """A group that has executed 9 requests, and a session."""
    group = Group(replica_count, settings, has_entropy=True)
    session = group.open_session()
    for timestamp in range(1, 10):
        group.submit(group.request((b"add 1",), session, timestamp))
    return group, session


@pytest.mark.parametrize("settings", [SMALL, SIGNED, MACS], ids=["paper", "signatures", "macs"])
@pytest.mark.parametrize("replica_count", [4, 7])
def test_rec_3_a_replica_that_lost_its_votes_takes_part_again(settings: Settings, replica_count: int) -> None:
    """With its votes alone the group has a quorum again when as many others fail as may."""
    group, session = lively(settings, replica_count)
    core = lose_votes(group, 2)
    assert core.status is Status.RECOVERING
    await_recovery(group, 2)
    row = core.tables.recoveries.rows[2]
    assert core.log.low_watermark >= recovery_point(row.epoch, settings)
    assert {group.core(number).tables.recoveries.epoch_of(2) for number in range(replica_count)} == {row.epoch}
    assert group.core(2).view == group.core(3).view == 0
    for number in range(group.core(0).quorums.faults):
        group.stopped.add(replica_count - 1 - number)
    for timestamp in range(10, 40):
        group.submit(group.request((b"add 1",), session, timestamp))
    group.advance(1000)
    assert total_of(group.services[2]) == total_of(group.services[0]) == 39
    assert core.log.low_watermark > recovery_point(row.epoch, settings) + 8


def test_rec_3_the_primary_recovers_too() -> None:
    """Silent, it is changed, as its request has to be ordered; it learns of the view as any laggard does."""
    group, session = lively()
    lose_votes(group, 0)
    await_recovery(group, 0)
    group.advance(3000)
    (view,) = {group.core(number).view for number in range(4)}
    assert view > 0
    group.stopped.add(3)
    group.submit(group.request((b"add 1",), session, 10))
    group.advance(6000)
    assert total_of(group.services[0]) == 10


def test_rec_2_it_says_nothing_that_counts_until_its_recovery_point_is_stable() -> None:
    """Decisions, lost votes: no ordering or view-change message until then; no claim and no reply either. It asks."""
    group, session = lively()
    recorder = Recorder(group)
    lose_votes(group, 3)
    before = len(group.replies)
    for timestamp in range(10, 16):
        group.advance(20)
        group.submit(group.request((b"add 1",), session, timestamp))
    assert group.core(3).status is Status.RECOVERING
    await_recovery(group, 3)
    said: set[type] = set()
    for effect in recorder.effects[3]:
        if isinstance(effect, Persist) and effect.record == RecoveryRecord(True):
            break
        message = getattr(effect, "message", None)
        said.add(type(message))
        assert not isinstance(message, StatusMessage) or message.is_changing_view, "it is in no view"
    else:
        raise AssertionError("its recovery did not end")
    assert {NewKey, Request, StatusMessage} <= said <= SILENT | {type(None)}
    point = recovery_point(group.core(3).epoch, SMALL)
    assert not [reply for sender, reply in group.replies[before:] if sender == 3]
    assert group.core(3).log.low_watermark >= point


def test_rec_2_it_hears_no_votes() -> None:
    """A quorum but one of COMMITs and its own, which it does not say, would decide what nobody else decides."""
    group, _ = lively()
    core = lose_votes(group, 3)
    group.reaches = lambda sender, receiver, message: False
    group.settle(3)
    frame = group.request((), 0, 50)
    data = encode_batch(Batch(group.wall, (frame,)))
    digest = open_batch(data).digest
    group.say(0, PrePrepare(0, 1, digest, 0), 3, attachments=(data,))
    for sender in (1, 2):
        group.say(sender, Prepare(0, 1, digest, sender), 3)
        group.say(sender, Commit(0, 1, digest, sender), 3)
    assert not core.log.slots
    assert core.last_executed == 0


def test_rec_3_it_contradicts_nothing_that_it_forgot() -> None:
    """It had prepared what nobody committed, and promised a later view. In its new life it is tempted with other
    proposals for all these numbers, in all these views."""
    group, session = lively()
    recorder = Recorder(group)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
    for timestamp in (10, 11):
        group.submit(group.request((b"add 1",), session, timestamp))
    group.reaches = lambda sender, receiver, message: sender == receiver
    group.advance(5000)
    promised = [message for sender, message in group.sent if sender == 3 and isinstance(message, ViewChange)]
    assert promised
    before = votes_of(recorder.effects[3], 3)
    assert ("slot", 0, 12) in before
    recorder.effects[3] = []
    lose_votes(group, 3)
    group.reaches = lambda sender, receiver, message: True
    tempted = 0
    for _ in range(200):
        group.advance(50)
        tempted += tempt(group, 3)
        if group.core(3).status is Status.NORMAL and tempted > 100:
            break
    assert group.core(3).status is Status.NORMAL
    for timestamp in range(12, 30):
        group.submit(group.request((b"add 1",), session, timestamp))
        group.advance(100)
    said = [message for message in map(says, recorder.effects[3]) if getattr(message, "replica", None) == 3]
    votes = [message for message in said if isinstance(message, PrePrepare | Prepare | Commit)]
    point = recovery_point(group.core(3).epoch, SMALL)
    assert {type(vote) for vote in votes} >= {Prepare, Commit}
    assert min(vote.sequence_number for vote in votes) > point
    for message in said:
        assert not isinstance(message, ViewChange) or message.epoch == group.core(3).epoch
        assert not isinstance(message, ViewChange) or message.low_watermark >= point
    for vote, digests in votes_of(recorder.effects[3], 3).items():
        assert len(digests) == 1, vote
    assert len({total_of(service) for service in group.services}) == 1


def tempt(group: Group, number: int) -> int:
    """The primary of its view proposes something else for every number of its window."""
    core = group.core(number)
    primary = core.view % 4
    if primary == number:
        return 0
    data = encode_batch(Batch(group.wall, (group.request((), 0, 1000 + group.now),)))
    digest = open_batch(data).digest
    numbers = range(core.log.low_watermark + 1, min(core.log.high_watermark, 13) + 1)
    for sequence_number in numbers:
        proposal = PrePrepare(core.view, sequence_number, digest, primary)
        group.receive(number, group.authenticators[primary].seal(proposal, (data,)))
    return max(1, len(numbers))


def test_rec_3_a_crash_in_the_middle_begins_again() -> None:
    """That it recovers is kept before anything leaves; and, when it is over, that it is."""
    group, session = lively()
    first = lose_votes(group, 2)
    group.settle(2)
    assert group.records[2][0] == RecoveryRecord(False)
    group.run()
    group.advance(100)
    again = group.restart(2).core
    assert again.status is Status.RECOVERING
    await_recovery(group, 2)
    assert again.recovery.half != first.recovery.half
    assert again.epoch > 0
    group.submit(group.request((b"add 1",), session, 10))
    assert group.restart(2).core.status is Status.NORMAL
    group.submit(group.request((b"add 1",), session, 11))
    group.advance(1000)
    assert {total_of(service) for service in group.services} == {11}


def test_rec_3_again_with_a_clock_that_was_set_back() -> None:
    """The counter of an earlier recovery, of which nothing was kept, is told by the table."""
    group, _ = lively()
    lose_votes(group, 2).keys.counter = group.wall + 60_000_000
    await_recovery(group, 2)
    before = group.core(2).tables.recoveries.rows[2]
    assert before.counter > group.wall
    group.advance(1500)
    lose_votes(group, 2)
    for number in range(4):  # nobody tells it by a NEW-KEY of its own
        group.core(number).keys.known.pop(2, None)
    await_recovery(group, 2)
    row = group.core(2).tables.recoveries.rows[2]
    assert row.counter > before.counter
    assert row.epoch > before.epoch


def test_rec_2_a_state_is_believed_if_a_quorum_signed_it() -> None:
    """Of the records of a life that is not believed, the stable checkpoint counts if its certificate holds."""
    group, _ = lively()
    stable = [record for record in group.records[2] if isinstance(record, StableRecord)][-1]
    taken = [record for record in group.records[2] if isinstance(record, CheckpointRecord)]
    kept = dict(group.kept[2])
    assert stable.sequence_number == 8
    core = group.restart(2, [*taken, stable], lost_votes=True).core
    assert (core.status, core.last_executed) == (Status.RECOVERING, 8)
    for certificate in (stable.certificate[:2], stable.certificate[:1] * 3, (b"junk", *stable.certificate[1:])):
        group.kept[2] = dict(kept)
        forged = msgspec.structs.replace(stable, certificate=certificate)
        core = group.restart(2, [*taken, forged], lost_votes=True).core
        assert (core.status, core.last_executed, total_of(group.services[2])) == (Status.RECOVERING, 0, 0)
    await_recovery(group, 2)
    assert len({total_of(service) for service in group.services}) == 1


def test_rec_2_a_damaged_state_is_fetched() -> None:
    """The certificate holds and the state does not have the digest."""
    group, _ = lively()
    stable = [record for record in group.records[2] if isinstance(record, StableRecord)][-1]
    taken = [record for record in group.records[2] if isinstance(record, CheckpointRecord)]
    group.kept[2] = {number: total + 1 for number, total in group.kept[2].items()}
    core = group.restart(2, [*taken, stable], lost_votes=True).core
    assert core.diverged_at == 8
    await_recovery(group, 2)
    assert any(trace.event == "state-fetched" for trace in group.traces[2])
    assert len({total_of(service) for service in group.services}) == 1


def test_rec_4_an_idle_group_reaches_the_recovery_point_by_null_requests() -> None:
    """Nobody asks for anything; once it is reached nothing more is ordered."""
    group, _ = lively()
    lose_votes(group, 1)
    await_recovery(group, 1)
    point = recovery_point(group.core(1).epoch, SMALL)
    group.advance(3000)
    assert [group.core(number).last_executed for number in range(4)] == [point] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_rec_4_a_primary_that_withholds_them_is_changed() -> None:
    """P19: "recovery should still end: require view change"."""
    group, _ = lively()
    group.reaches = lambda sender, receiver, message: (
        not (isinstance(message, PrePrepare) and sender == 0 and message.sequence_number > 11)
    )
    lose_votes(group, 3)
    await_recovery(group, 3)
    assert [group.core(number).view for number in (0, 1, 2)] == [1] * 3
    group.advance(3000)
    assert min(group.core(number).view for number in range(4)) >= 1


def test_disk_3_without_a_group_that_can_spare_it_a_replica_stays_silent() -> None:
    """f = 0: three replicas tolerate no fault, so none that forgot its votes."""
    group = Group(3, SMALL, has_entropy=True)
    group.open_session()
    core = lose_votes(group, 2)
    assert core.status is Status.LOST_VOTES
    recorder = Recorder(group)
    group.advance(2000)
    assert recorder.effects[2] == []


def test_rec_3_the_request_is_fresh() -> None:
    """Nobody has it before the recovery begins: it names the new half."""
    group, _ = lively()
    recorder = Recorder(group)
    lose_votes(group, 2)
    group.advance(100)
    key = key_pair(3).public_key
    (request,) = {message for _, message in group.sent if isinstance(message, Request) and message.client == key}
    halves = {message.half for sender, message in group.sent if isinstance(message, NewKey) and sender == 2}
    assert {half_of(request)} == halves
    assert recorder.effects[2][0] == Persist(RecoveryRecord(False))


def in_view_1(settings: Settings = SMALL) -> tuple[Group, int]:
    """A group in view 1, by a NEW-VIEW with VIEW-CHANGEs of 1, 2 and 3."""
    group, session = lively(settings)
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 10))
    group.advance(3000)
    group.stopped.clear()
    group.advance(3000)
    assert [group.core(number).view for number in range(4)] == [1] * 4
    assert group.core(3).views.epochs == {1: 0, 2: 0, 3: 0}
    return group, session


def test_epoch_5_a_view_that_keeps_a_recovered_replica_out_is_left() -> None:
    """View 1 began with a VIEW-CHANGE of replica 3, which then loses its votes. When it has recovered it is in one view
    with the others, and they can do without another."""
    group, session = in_view_1()
    lose_votes(group, 3)
    await_recovery(group, 3)
    group.advance(3000)
    assert [group.core(number).view for number in range(4)] == [2] * 4
    assert [group.core(number).status for number in range(4)] == [Status.NORMAL] * 4
    assert group.core(3).views.epochs.get(3, group.core(3).epoch) == group.core(3).epoch
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 11))
    assert [total_of(group.services[number]) for number in (1, 2, 3)] == [11] * 3
    assert [group.core(number).view for number in (1, 2, 3)] == [2] * 3


def test_epoch_5_also_after_a_restart() -> None:
    """What the NEW-VIEW carries is known from its record."""
    group, _ = in_view_1()
    assert group.restart(2).core.views.epochs == {1: 0, 2: 0, 3: 0}
    lose_votes(group, 3)
    await_recovery(group, 3)
    group.advance(3000)
    assert [group.core(number).view for number in range(4)] == [2] * 4

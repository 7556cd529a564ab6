"""Durable votes (decisions): what is said is on disk first, and a restart contradicts nothing.

"Before a PRE-PREPARE, PREPARE, COMMIT, VIEW-CHANGE, NEW-VIEW, CHECKPOINT or REPLY leaves, the vote and every request
body that it covers are on disk."
"""

from __future__ import annotations

import pytest

from core.group import Group, total_of
from quorate.config import Settings
from quorate.core import scrub
from quorate.core.context import Status
from quorate.core.effects import Broadcast, Effect, Persist, Send, SendReply
from quorate.core.log import Phase, open_batch
from quorate.core.replica import Replica
from quorate.errors import InvariantViolation
from quorate.messages.codec import decode, decode_envelope, encode_batch
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    Batch,
    Checkpoint,
    Commit,
    FetchState,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    StatePieces,
    ViewChange,
)
from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    DecidedRecord,
    PreparedRecord,
    PrePreparedRecord,
    Record,
    ViewRecord,
)
from quorate.storage.memory import MemoryJournal

SETTINGS = Settings(checkpoint_interval=4)
SIGNED = Settings(checkpoint_interval=4, replica_authentication="signature")


class Recorder:
    """Every effect of every replica of a group, in order."""

    def __init__(self, group: Group) -> None:
        self.effects: list[list[Effect]] = [[] for _ in group.replicas]
        perform = group.perform

        def recording(sender: int, effects: list[Effect]) -> None:
            self.effects[sender] += effects
            perform(sender, effects)

        group.perform = recording  # type: ignore[method-assign]


def eventful_life(settings: Settings, replica_count: int = 4) -> tuple[Group, Recorder]:
    """Requests, checkpoints, a failed primary with slots in every phase, a second one, requests again."""
    group = Group(replica_count, settings)
    recorder = Recorder(group)
    session = group.open_session()
    for timestamp in range(1, 7):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    # One slot prepares and does not commit, one is pre-prepared only, and the primary falls silent.
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
    group.submit(group.request((b"add 10",), session, 7))
    group.reaches = lambda sender, receiver, message: not isinstance(message, Prepare | Commit)
    other = group.request((), 0, 2, client=1)
    group.submit(other)
    group.reaches = lambda sender, receiver, message: True
    group.stopped.add(0)
    group.advance(4000)
    for timestamp in range(8, 14):
        group.submit(group.request((b"add 1",), session, timestamp))
    group.stopped.add(1)
    group.stopped.discard(0)
    group.advance(1000)
    group.submit(group.request((b"add 1",), session, 14))
    group.advance(4000)
    group.submit(group.request((b"add 1",), session, 15))
    group.advance(1000)
    assert min(group.core(number).view for number in range(replica_count) if number != 1) >= 2
    return group, recorder


def says(effect: Effect) -> Message | None:
    """What an effect sends to a replica."""
    return effect.message if isinstance(effect, Broadcast | Send) else None


@pytest.mark.parametrize("settings", [SETTINGS, SIGNED], ids=["macs", "signatures"])
def test_disk_1_every_vote_is_on_disk_before_it_leaves(settings: Settings) -> None:
    """The `Persist` of a vote, and of the bodies that it covers, stands before the first effect that sends it."""
    _, recorder = eventful_life(settings)
    seen: set[type] = set()
    for number, effects in enumerate(recorder.effects):
        kept: list[Record] = []
        bodies = {NULL_DIGEST}
        executed_votes: set[int] = set()
        for effect in effects:
            if isinstance(effect, Persist):
                kept.append(effect.record)
                if isinstance(effect.record, BatchRecord):
                    bodies.add(effect.record.digest)
                if isinstance(effect.record, DecidedRecord):
                    executed_votes.add(effect.record.sequence_number)
                continue
            message = says(effect)
            if message is not None and getattr(message, "replica", None) == number:
                assert is_kept(message, kept, bodies), message
                seen.add(type(message))
            if isinstance(effect, SendReply):
                assert executed_votes
    assert {PrePrepare, Prepare, Commit, Checkpoint, ViewChange, NewView} <= seen


def is_kept(message: Message, kept: list[Record], bodies: set[bytes]) -> bool:
    """Whether the records so far keep this vote and its bodies."""
    match message:
        case PrePrepare() | Prepare():
            return message.digest in bodies and any(
                isinstance(record, PrePreparedRecord)
                and (record.sequence_number, record.digest, record.view)
                == (message.sequence_number, message.digest, message.view)
                for record in kept
            )
        case Commit():
            return message.digest in bodies and any(
                isinstance(record, PreparedRecord)
                and (record.sequence_number, record.digest, record.view)
                == (message.sequence_number, message.digest, message.view)
                for record in kept
            )
        case Checkpoint():
            return any(
                isinstance(record, CheckpointRecord)
                and (record.sequence_number, record.digest) == (message.sequence_number, message.digest)
                for record in kept
            )
        case ViewChange():
            return any(
                isinstance(record, ViewRecord) and record.view == message.view and record.is_changing_view
                for record in kept
            ) and {claim.digest for claim in message.prepared} | {claim.digest for claim in message.pre_prepared} <= (
                bodies
            )
        case NewView():
            return (
                any(
                    isinstance(record, ViewRecord) and record.view == message.view and not record.is_changing_view
                    for record in kept
                )
                and {entry.digest for entry in message.chosen} <= bodies
            )
        case _:
            return True


def votes_of(effects: list[Effect], number: int) -> dict[tuple[object, ...], set[object]]:
    """What was promised: (kind, view or nothing, sequence number) -> what was said of it."""
    promised: dict[tuple[object, ...], set[object]] = {}
    for effect in effects:
        if isinstance(effect, Persist) and isinstance(effect.record, ViewRecord):
            entered = decode(decode_envelope(effect.record.frame).payload)
            if isinstance(entered, NewView):  # whoever enters a view by a NEW-VIEW is bound to its choice
                for entry in entered.chosen:
                    promised.setdefault(("slot", entered.view, entry.sequence_number), set()).add(entry.digest)
        message = says(effect)
        if message is None or getattr(message, "replica", None) != number:
            continue
        match message:
            case PrePrepare() | Prepare() | Commit():
                # A PRE-PREPARE, a PREPARE and a COMMIT of one slot are all votes for the same digest.
                promised.setdefault(("slot", message.view, message.sequence_number), set()).add(message.digest)
            case Checkpoint():
                promised.setdefault(("checkpoint", message.sequence_number), set()).add(message.digest)
            case ViewChange():
                promised.setdefault(("view-change", message.view), set()).add(message)
            case NewView():
                promised.setdefault(("new-view", message.view), set()).add((message.checkpoint, message.chosen))
                for entry in message.chosen:
                    promised.setdefault(("slot", message.view, entry.sequence_number), set()).add(entry.digest)
            case _:
                pass
    return promised


@pytest.mark.parametrize(
    ("settings", "number"),
    [(SETTINGS, 0), (SETTINGS, 1), (SETTINGS, 2), (SIGNED, 2), (SETTINGS, 3)],
    ids=["first primary", "second primary", "third primary", "third primary, signed", "backup"],
)
def test_disk_2_a_crash_after_any_effect_contradicts_no_vote(settings: Settings, number: int) -> None:
    """N5, B18. The replica dies after each of its effects in turn. Its next life, provoked by a new primary's proposals
    for every number, by time, and by requests, says nothing that contradicts what the earlier one said."""
    group, recorder = eventful_life(settings)
    effects = recorder.effects[number]
    assert len(effects) > 100
    for index in range(1, len(effects) + 1):
        life = effects[:index]
        records = [effect.record for effect in life if isinstance(effect, Persist)]
        if not isinstance(life[-1], Persist | Broadcast | Send):
            continue
        again = Group(4, settings)
        again.kept[number] = dict(group.kept[number])
        again.now, again.wall = group.now, group.wall
        second = Recorder(again)
        replica = again.restart(number, records)
        provoke(again, replica, number)
        before, after = votes_of(life, number), votes_of(second.effects[number], number)
        for vote, said in after.items():
            assert len(said) == 1, (index, vote)
            assert said == before.get(vote, said), (index, vote)
        left = max((view for kind, view, *_ in before if kind == "view-change" and isinstance(view, int)), default=0)
        for kind, view, *_ in after:
            assert kind != "slot" or (isinstance(view, int) and view >= left), (index, "voted in a view that it left")


def provoke(group: Group, replica: Replica, number: int) -> None:
    """Tempt a restarted replica to contradict itself: proposals for every number of its view, requests, and time."""
    group.reaches = lambda sender, receiver, message: False
    core = replica.core
    group.settle(number)
    primary = core.primary
    if primary != number and core.status is Status.NORMAL:
        session = group.request((b"add 99",), 1, 1_000_000)
        batch = Batch(group.wall, (session,))
        data = encode_batch(batch)
        digest = open_batch(data).digest
        for sequence_number in range(core.log.low_watermark + 1, core.log.high_watermark + 1):
            proposal = PrePrepare(core.view, sequence_number, digest, primary)
            group.receive(number, group.authenticators[primary].seal(proposal, (data,)))
    for client in range(2):
        group.receive(number, group.request((), 0, 1_000_000, client))
    for _ in range(3):
        group.now += 1_500_000
        group.settle(number)


def test_disk_2_a_view_entered_by_new_view_is_restored_with_its_choice() -> None:
    """A replica that dies between entering a view and pre-preparing what its NEW-VIEW chose still knows the choice: no
    primary can give those numbers to something else in that view."""
    group, recorder = eventful_life(SETTINGS)
    effects = recorder.effects[3]
    entered = next(
        index
        for index, effect in enumerate(effects)
        if isinstance(effect, Persist)
        and isinstance(effect.record, ViewRecord)
        and not effect.record.is_changing_view
        and isinstance(new_view := decode(decode_envelope(effect.record.frame).payload), NewView)
        and new_view.chosen
    )
    records = [effect.record for effect in effects[: entered + 1] if isinstance(effect, Persist)]
    record = records[-1]
    assert isinstance(record, ViewRecord)
    new_view = decode(decode_envelope(record.frame).payload)
    assert isinstance(new_view, NewView)
    core = group.restart(3, records).core
    assert (core.status, core.view) == (Status.NORMAL, new_view.view)
    for entry in new_view.chosen:
        if core.log.in_window(entry.sequence_number):
            slot = core.log.slots[entry.sequence_number]
            assert (slot.digest, slot.phase) == (entry.digest, Phase.EMPTY)
    last = new_view.chosen[-1].sequence_number
    assert core.next_sequence_number > last


def test_disk_2_a_restarted_primary_repeats_the_proposal_that_it_had_kept() -> None:
    """It died after the PRE-PREPARE was on disk and before it left. Its number is not given to anything else, so the
    proposal has to be repeated, or the view would end for the gap."""
    group = Group(4, SETTINGS)
    group.open_session()
    recorder = Recorder(group)
    group.reaches = lambda sender, receiver, message: False
    group.submit(group.request((), 0, 2), 0)
    kept = [effect.record for effect in recorder.effects[0] if isinstance(effect, Persist)]
    assert {type(record) for record in kept} == {BatchRecord, PrePreparedRecord}
    group.reaches = lambda sender, receiver, message: True
    core = group.restart(0).core
    assert core.next_sequence_number == 3
    group.advance(3000)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_disk_3_a_replica_that_lost_its_votes_says_nothing() -> None:
    """Decisions, lost votes: "such a replica sends no ordering or view-change message until its recovery point is
    stable; until then it counts as one of the f" (B18)."""
    group, _ = eventful_life(SETTINGS)
    replica = Replica(3, group.configuration, group.restart(3, []).core.service, group.authenticators[3], (), True)
    group.replicas[3] = replica
    second = Recorder(group)
    for timestamp in range(20, 30):
        group.submit(group.request((), 0, timestamp))
        group.advance(200)
    assert replica.core.status is Status.LOST_VOTES
    assert second.effects[3] == []
    assert replica.next_deadline() is None
    assert replica.report().status == "lost-votes"


def test_disk_4_a_damaged_state_is_not_begun_from_but_fetched() -> None:
    """A kept state that does not have the digest that was vouched for: nothing is executed on it or served from it; the
    votes are whole, so the replica takes part, and gets what differs from the others."""
    group, _ = eventful_life(SETTINGS)
    group.kept[2] = {number: total + 1 for number, total in group.kept[2].items()}
    core = group.restart(2).core
    assert core.diverged_at == core.log.low_watermark == core.last_executed > 0
    del group.sent[:]
    group.receive(2, group.authenticators[3].seal(FetchState(core.last_executed, (), 3), (), 2))
    assert not any(isinstance(message, StatePieces) for _, message in group.sent)

    group.stopped.clear()
    group.advance(3000)

    assert group.core(2).diverged_at is None
    assert [trace.event for trace in group.traces[2]].count("state-fetched") == 1
    assert len({total_of(service) for service in group.services}) == 1
    group.submit(group.request((b"add 1",), 1, 100))
    group.advance(3000)
    assert len({total_of(service) for service in group.services}) == 1


def test_disk_4_a_whole_group_restarts_and_one_of_it_with_a_damaged_state() -> None:
    """Nobody has anything in memory that could help, and nothing is said: the kept certificate tells what to fetch."""
    group = Group(4, SETTINGS)
    session = group.open_session()
    for timestamp in range(1, 8):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.kept[1] = dict.fromkeys(group.kept[1], 0)

    for number in range(4):
        group.restart(number)
    group.advance(3000)

    assert [total_of(service) for service in group.services] == [7] * 4


def test_disk_4_who_has_restarted_knows_who_vouches_for_what_it_began_from() -> None:
    """Nobody says so again, and when it is damaged in memory (DISK-5) nothing else can be fetched."""
    group = Group(4, SETTINGS)
    session = group.open_session()
    for timestamp in range(1, 8):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.advance(200)
    replica = group.restart(2)
    group.advance(200)
    group.services[2]._table._values[b"total"] += 5
    group.advance(3000)
    assert replica.report().incidents[f"STATE: {scrub.DAMAGED}"] == 1
    assert [trace.event for trace in group.traces[2]].count("state-fetched") == 1
    assert [total_of(service) for service in group.services] == [7] * 4


def test_disk_4_records_without_their_stable_checkpoint_are_not_begun_from() -> None:
    """Records are checked by whoever keeps them; these cannot be what was written."""
    group, _ = eventful_life(SETTINGS)
    journal = MemoryJournal(group.records[2])
    records = [record for record in journal.records() if not isinstance(record, CheckpointRecord)]
    with pytest.raises(InvariantViolation, match="is not among the records"):
        group.restart(2, records)


def test_disk_2_a_whole_group_restarts() -> None:
    """N5: the power fails everywhere at once, in the middle of things; nothing is lost, and it goes on."""
    for moment in range(1, 14):
        group = Group(4, SETTINGS)
        session = group.open_session()
        for timestamp in range(1, moment + 1):
            group.submit(group.request((b"add 1",), session, timestamp), 0)
        group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
        group.submit(group.request((b"add 1",), session, moment + 1), 0)
        group.wire.clear()
        for number in range(4):
            group.restart(number)
        group.reaches = lambda sender, receiver, message: True
        group.advance(3000)
        assert [total_of(service) for service in group.services] == [moment + 1] * 4
        group.submit(group.request((b"add 1",), session, moment + 2))
        group.advance(500)
        assert [total_of(service) for service in group.services] == [moment + 2] * 4

"""Rebuild a replica from its records: it never contradicts a vote of its earlier life (DISK-2).

The service that is handed to the core must already be in the state of the stable checkpoint among the records (the
storage that kept the records kept that state too), or in its initial state when there is none. If it is not, the state
is fetched from the others before anything is executed (DISK-4); votes that are damaged cannot be fetched from anyone.
"""

from __future__ import annotations

from collections.abc import Iterable

from quorate.core import checkpoints, epochs, recovery, session_keys, view_change
from quorate.core.context import Core, HeldCheckpoint, Status
from quorate.core.log import Phase, Slot, Vote, open_batch
from quorate.core.new_view import Choice
from quorate.core.tables import TablesSnapshot, decode_snapshot
from quorate.errors import InvariantViolation, require
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import Checkpoint, NewView, Prepare, PreparedClaim, PrePrepare, ViewChange
from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    DecidedRecord,
    KeyRecord,
    PreparedRecord,
    PrePreparedRecord,
    Record,
    RecoveryRecord,
    StableRecord,
    ViewRecord,
)


def restore(core: Core, records: Iterable[Record], lost_votes: bool = False) -> None:
    """Fold the records into the state of a fresh core. One that lost its votes, in this life or an earlier one that did
    not get to its recovery point, recovers; where there is nobody to help, or it can make no keys, it stays silent."""
    kept: dict[type, list[Record]] = {}
    for record in records:
        kept.setdefault(type(record), []).append(record)
    if lost_votes or RecoveryRecord(False) in kept.get(RecoveryRecord, ()):
        restore_without_votes(core, kept)
        return
    restore_checkpoints(core, kept)
    restore_view(core, kept)
    restore_log(core, kept)
    restore_keys(core, kept)
    restore_promise(core)


def restore_without_votes(core: Core, kept: dict[type, list[Record]]) -> None:
    """Of the records nothing is believed but a stable checkpoint whose certificate holds, and the counter of the keys;
    without such a checkpoint it begins with nothing (REC-2)."""
    can_recover = core.quorums.faults > 0 and core.entropy is not None
    core.status = Status.RECOVERING if can_recover else Status.LOST_VOTES
    stable = next(iter(kept.get(StableRecord, ())), None)
    if isinstance(stable, StableRecord) and not recovery.is_certified(core, stable):
        kept = {KeyRecord: kept.get(KeyRecord, [])}
        core.service.install(0, {(): b""})
    restore_checkpoints(core, kept)
    restore_keys(core, kept)


def restore_promise(core: Core) -> None:
    """Whatever a client was told of had prepared or was decided here: no read is answered from a state before it
    (RO-2)."""
    decided = (number for number, slot in core.log.slots.items() if slot.decided is not None)
    core.reads.promised = max(core.last_executed, *core.log.prepared_claims, *decided, 0)
    core.reads.changed_at = core.last_executed


def restore_keys(core: Core, kept: dict[type, list[Record]]) -> None:
    """The keys of the earlier life are gone, and the others go by them: the next NEW-KEY has to be said at once, with a
    higher counter. Of the others' keys only those in their recovery requests are known."""
    for row in core.tables.recoveries.rows.values():
        if row.replica != core.replica_id:
            session_keys.take(core, row.replica, row.counter, row.half)
    record = next(iter(kept.get(KeyRecord, ())), None)
    if isinstance(record, KeyRecord):
        core.keys.counter = record.counter
        core.keys.due = 0


def restore_checkpoints(core: Core, kept: dict[type, list[Record]]) -> None:
    """Execution goes on from the stable checkpoint, which is the low watermark; what was decided above it is executed
    again from the records."""
    stable = next(iter(kept.get(StableRecord, ())), None)
    if stable is None:
        checkpoints.hold(core, 0)
        return
    assert isinstance(stable, StableRecord)
    sequence_number = stable.sequence_number
    record = next((one for one in kept.get(CheckpointRecord, ()) if one.key() == ("checkpoint", sequence_number)), None)
    if not isinstance(record, CheckpointRecord) or record.digest != stable.digest:
        raise InvariantViolation(f"the stable checkpoint {sequence_number} is not among the records: they are damaged")
    tables = decode_snapshot(record.tables)
    core.tables.restore(tables)
    core.checkpoints.stable_certificate = stable.certificate
    core.last_executed = core.log.low_watermark = sequence_number
    for frame in stable.certificate:  # who made it stable: nobody says so again, and it may have to be fetched
        message = decode(decode_envelope(frame).payload)
        assert isinstance(message, Checkpoint)
        core.checkpoints.vouchers.add(message, frame)
    if checkpoints.hold(core, sequence_number).digest != stable.digest:
        distrust_state(core, record, tables)


def distrust_state(core: Core, record: CheckpointRecord, tables: TablesSnapshot) -> None:
    """The votes are whole, the service's state is not the one that was vouched for: nothing is executed or served from
    it, and what differs is fetched from the others."""
    require(checkpoint_digest(record.service_digest, tables.digest()) == record.digest, "records agree")
    core.checkpoints.held[record.sequence_number] = HeldCheckpoint(record.digest, record.service_digest, tables)
    core.diverged_at = record.sequence_number
    core.note("state-damaged", sequence_number=record.sequence_number)


def restore_view(core: Core, kept: dict[type, list[Record]]) -> None:
    """The view; a replica that was changing view goes on with the VIEW-CHANGE that it sent, one that had entered a view
    knows what its NEW-VIEW chose, pre-prepared already or not."""
    record = next(iter(kept.get(ViewRecord, ())), None)
    if not isinstance(record, ViewRecord):
        return
    core.views.view = record.view
    envelope = decode_envelope(record.frame)
    message = decode(envelope.payload)
    if not record.is_changing_view:
        require(isinstance(message, NewView), "a view record of a view holds the NEW-VIEW that it was entered by")
        assert isinstance(message, NewView)
        core.views.new_view_frame = record.frame
        core.views.epochs = epochs.epochs_of(message)
        view_change.choose(core, Choice(message.checkpoint, message.chosen), envelope.attachments)
        return
    core.status = Status.VIEW_CHANGE
    require(isinstance(message, ViewChange), "a view record of a view change holds a VIEW-CHANGE")
    assert isinstance(message, ViewChange)
    core.views.view_changes[core.replica_id] = (message, record.frame)


def restore_log(core: Core, kept: dict[type, list[Record]]) -> None:
    """Bodies, Q, P and decisions above the low watermark; slots of the present view are accepted as they were."""
    log = core.log
    for record in kept.get(BatchRecord, ()):
        assert isinstance(record, BatchRecord)
        log.hold(open_batch(record.batch), record.sequence_number)
    for record in kept.get(PrePreparedRecord, ()):
        assert isinstance(record, PrePreparedRecord)
        if not log.in_window(record.sequence_number):
            continue
        log.note_pre_prepared(record.sequence_number, record.digest, record.view)
        if record.view == core.view and core.status is Status.NORMAL:
            slot = log.slot(record.sequence_number)
            slot.digest, slot.phase, slot.proposal = record.digest, Phase.PRE_PREPARED, record.frame
            log.highest_proposed = max(log.highest_proposed, record.sequence_number)
            if core.primary != core.replica_id:
                slot.prepares[core.replica_id] = own_prepare(core, slot)
            else:
                slot.frame = own_pre_prepare(core, slot)
            core.touched.add(record.sequence_number)
    core.touched.update(log.admit_chosen())
    core.next_sequence_number = max(log.low_watermark, log.covered, log.highest_proposed) + 1
    for record in kept.get(PreparedRecord, ()):
        assert isinstance(record, PreparedRecord)
        if not log.in_window(record.sequence_number):
            continue
        log.prepared_claims[record.sequence_number] = PreparedClaim(
            record.sequence_number, record.digest, record.view, record.certificate
        )
        if record.view == core.view and core.status is Status.NORMAL:
            slot = log.slot(record.sequence_number)
            slot.phase = Phase.PREPARED
            slot.commits[core.replica_id] = Vote(core.view, record.digest, b"")
    for record in kept.get(DecidedRecord, ()):
        assert isinstance(record, DecidedRecord)
        if log.in_window(record.sequence_number):
            log.slot(record.sequence_number).decided = record.digest


def own_pre_prepare(core: Core, slot: Slot) -> bytes:
    """The proposal that was kept before the restart and may never have left, authenticated anew."""
    assert slot.digest is not None
    batch = core.log.batch(slot.digest)
    if batch is None or slot.sequence_number <= core.log.covered:
        return b""
    return core.auth.seal(PrePrepare(core.view, slot.sequence_number, slot.digest, core.replica_id), (batch.data,))


def own_prepare(core: Core, slot: Slot) -> Vote:
    """The vote that was sent before the restart, authenticated anew."""
    assert slot.digest is not None
    message = Prepare(core.view, slot.sequence_number, slot.digest, core.replica_id)
    return Vote(core.view, slot.digest, core.auth.seal(message) if core.signs_everything else b"")

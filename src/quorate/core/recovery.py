"""Recovery of a replica whose votes are lost or not to be believed (OSDI'00; facts 5; docs/RECOVERY.md).

It begins without votes and says nothing that counts until its recovery point is stable here: what it forgot lies below,
and nobody who votes above counts what it signed before. It hears no votes either, as it must not count its own: what is
decided it learns from f + 1 claims and from fetched checkpoints.
"""

from __future__ import annotations

from typing import Final

from quorate.core import checkpoints, execution, retransmission, session_keys, state_transfer
from quorate.core.context import Core, Status
from quorate.core.ports import Opened
from quorate.core.recoveries import recovery_point
from quorate.errors import AuthenticationFailed, MalformedMessage, require
from quorate.messages.protocol import Checkpoint
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.records import RecoveryRecord, StableRecord
from quorate.messages.recoveries import Recovery, recovery_request

ASK_INTERVALS: Final = 3
"""How often the recovery request is repeated, in status intervals."""


def settle(core: Core) -> None:
    """All that a recovering replica does; the other rules rest (REC-2)."""
    if core.recovery.request is None:
        begin(core)
    session_keys.settle(core)
    execution.execute_ready(core)
    if checkpoints.hash_some(core):
        execution.execute_ready(core)
    state_transfer.settle(core)
    ask_or_finish(core)
    retransmission.settle(core)


def ask_or_finish(core: Core) -> None:
    """Have the request ordered; once it is executed here, wait for the recovery point (REC-3)."""
    own, row = core.recovery, core.tables.recoveries.rows.get(core.replica_id)
    assert own.request is not None
    if row is not None and row.half == own.half:
        if core.log.low_watermark >= recovery_point(row.epoch, core.settings):
            finish(core, row)
    elif row is not None and row.counter >= own.request[0].timestamp:
        # An earlier life got further, of which nothing was kept, and the clock was set back: nobody executes this one.
        core.keys.counter = max(core.keys.counter, row.counter)
        begin(core)
    else:
        ask(core)


def begin(core: Core) -> None:
    """New session keys, and the request that names them: nobody can have known it before."""
    core.persist(RecoveryRecord(False))
    session_keys.refresh(core)
    assert core.keys.said is not None
    own = core.recovery
    own.half = core.keys.said[0].half
    request = recovery_request(core.tables.recoveries.key_of(core.replica_id), core.keys.counter, own.half)
    own.request = (request, core.auth.seal(request))
    own.due = core.now
    core.note("recovery-begins", counter=core.keys.counter)


def own_point(core: Core) -> int:
    """The recovery point of a replica that recovers, once its request is executed here; else 0."""
    row = core.tables.recoveries.rows.get(core.replica_id)
    is_own = core.status is Status.RECOVERING and row is not None and row.half == core.recovery.half
    return recovery_point(row.epoch, core.settings) if is_own and row is not None else 0


def ask(core: Core) -> None:
    """Send the request to all, now and then."""
    own = core.recovery
    assert own.request is not None
    if core.now >= own.due:
        own.due = core.now + ASK_INTERVALS * core.status_interval
        core.broadcast_frame(*own.request)


def finish(core: Core, row: Recovery) -> None:
    """A correct replica again, in the first view as far as it knows; the others tell it of theirs as they tell any
    laggard."""
    require(
        core.views.view == 0 and not core.log.prepared_claims, "a recovering replica enters no view and votes nowhere"
    )
    core.persist(RecoveryRecord(True))
    core.status = Status.NORMAL
    core.next_sequence_number = max(core.log.low_watermark, core.last_executed) + 1
    core.recovery.request = None
    core.note("recovered", epoch=row.epoch, sequence_number=core.log.low_watermark)


def on_status(core: Core, opened: Opened) -> None:
    """Hear how far the others are; they are not answered."""
    message = opened.message
    assert isinstance(message, StatusMessage)
    retransmission.hear_marks(core, message)


def is_certified(core: Core, stable: StableRecord) -> bool:
    """Whether a quorum of others' signatures vouches for a checkpoint on this replica's own disk: of its records it
    believes nothing else."""
    signers: set[int] = set()
    for frame in stable.certificate:
        try:
            message = core.auth.open(frame).message
        except (AuthenticationFailed, MalformedMessage):
            continue
        is_of_it = isinstance(message, Checkpoint) and message.sequence_number == stable.sequence_number
        if is_of_it and isinstance(message, Checkpoint) and message.digest == stable.digest:
            signers.add(message.replica)
    return len(signers) >= core.quorums.quorum

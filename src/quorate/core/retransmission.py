"""Retransmission, driven by STATUS: a replica says what it has, and any peer that holds more sends it (facts 3.3, 3.9).

"Only the primary retransmits" is a known hole: a primary that leaves f backups out would strand them for good (P14).
A replica repeats its own votes authenticated anew; others' messages go as they came. What is decided travels as DECIDED
claims: f + 1 equal ones, each authenticated by its claimer, execute a slot; they make no entry of P or Q.
"""

from __future__ import annotations

from typing import Final

from quorate.core import admission, answers, reach, separate, session_keys, state_transfer, timers
from quorate.core.context import Core
from quorate.core.context import Status as Mode
from quorate.core.log import Phase, Slot, open_batch
from quorate.core.normal_case import decide
from quorate.core.ports import Opened
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import (
    Batches,
    Chosen,
    Commit,
    Decided,
    FetchBatches,
    Prepare,
    SlotFlag,
    Status,
)

NATURAL_MAX: Final = 2**63 - 1
IDLE_FACTOR: Final = 10
"""A replica that lacks nothing says what it has this many times less often."""
DECIDED_MAX: Final = 256
FETCH_MAX: Final = 64
"""Bodies asked for in one message."""
SLOTS_MAX: Final = 32
"""Slots of which votes are repeated in answer to one STATUS."""
BATCH_BYTES_MAX: Final = 4 << 20
"""Bodies sent in answer to one message."""
ASK_ALL_AFTER: Final = 1
"""How often the primary is asked for a body before the others are."""


def settle(core: Core) -> None:
    """Say what is here when that is due, and ask for bodies that are missing."""
    if reach.asks(core):
        core.broadcast(own_status(core))
    fresh = [digest for digest, asked in core.missing.items() if asked == 0]
    if fresh:
        fetch(core, fresh)
    if lacks_something(core):
        core.timers.status_due = min(core.timers.status_due, core.now + core.status_interval)
    if core.now < core.timers.status_due:
        return
    forget_needless(core)
    state_transfer.release_pins(core)
    is_stuck = core.timers.executed_at_status == core.last_executed and lacks_something(core)
    core.timers.stuck_rounds = core.timers.stuck_rounds + 1 if is_stuck else 0
    core.timers.executed_at_status = core.last_executed
    core.timers.status_due = core.now + core.status_interval * (1 if lacks_something(core) else IDLE_FACTOR)
    if is_stuck or core.now >= core.timers.status_forced:
        core.timers.status_forced = core.now + core.status_interval * IDLE_FACTOR
        session_keys.repeat(core)
        core.broadcast(own_status(core))
        fetch(core, sorted(core.missing, key=core.missing.__getitem__))  # what nobody has keeps nothing from its turn


def lacks_something(core: Core) -> bool:
    """Whether anything is waited for here."""
    return (
        core.status is not Mode.NORMAL
        or bool(core.missing)
        or reach.is_awaited(core)
        or core.log.highest_proposed > core.last_executed
        or len(core.waiting) > 0
        or any(executed > core.last_executed for executed, _ in core.peer_marks.values())
        or core.last_executed >= core.log.low_watermark + core.settings.checkpoint_interval
    )


def own_status(core: Core) -> Status:
    """STATUS of this replica. One that recovers is in no view either."""
    slots = core.log.slots
    highest = max(slots, default=0)
    flags = bytes(flags_of(slots.get(number)) for number in range(core.log.low_watermark + 1, highest + 1))
    # The bit of the 64th replica would not fit: its VIEW-CHANGE may come twice.
    held = sum(1 << replica for replica, (vc, _) in core.views.view_changes.items() if vc.view == core.view)
    held &= NATURAL_MAX
    return Status(
        core.view,
        core.status is not Mode.NORMAL,
        core.log.low_watermark,
        core.last_executed,
        flags,
        held,
        tuple(core.missing)[:FETCH_MAX],
        core.replica_id,
    )


def flags_of(slot: Slot | None) -> int:
    """What this replica has of one sequence number."""
    if slot is None:
        return 0
    return (
        (SlotFlag.PRE_PREPARED if slot.phase >= Phase.PRE_PREPARED else 0)
        | (SlotFlag.PREPARED if slot.phase >= Phase.PREPARED else 0)
        | (SlotFlag.COMMITTED if slot.phase >= Phase.COMMITTED else 0)
    )


def on_status(core: Core, opened: Opened) -> None:
    """STAT-1: send a peer what it lacks and this replica has; each peer is answered at a bounded rate (B21)."""
    message = opened.message
    assert isinstance(message, Status)
    peer = message.replica
    hear_marks(core, message)
    reach.heard_status(core, message)
    if core.now < core.answered_status.get(peer, -core.status_interval) + core.status_interval // 2:
        return
    core.answered_status[peer] = core.now
    help_with_views(core, message)
    help_with_checkpoints(core, message)
    help_with_decisions(core, message)
    if message.view == core.view and not message.is_changing_view and core.status is Mode.NORMAL:
        help_with_votes(core, message)
    send_batches(core, peer, message.missing)


def hear_marks(core: Core, message: Status) -> None:
    """How far a peer is; whoever is behind it says soon what it has."""
    core.peer_marks[message.replica] = (message.last_executed, message.low_watermark)
    known = max(core.log.slots, default=core.last_executed)
    if message.last_executed > core.last_executed or message.low_watermark + len(message.slots) > known:
        timers.ask_soon(core)


def help_with_views(core: Core, message: Status) -> None:
    """The NEW-VIEW of this view, or the VIEW-CHANGEs that the peer lacks; both are signed and go as they came."""
    is_behind = message.view < core.view or (message.view == core.view and message.is_changing_view)
    if not is_behind:
        return
    if core.status is Mode.NORMAL:
        if core.views.new_view_frame and core.primary != message.replica:
            payload = decode(decode_envelope(core.views.new_view_frame).payload)
            core.forward(message.replica, payload, core.views.new_view_frame)
        return
    held = message.view_changes if message.view == core.view else 0
    for replica, (view_change, frame) in sorted(core.views.view_changes.items()):
        if view_change.view >= core.view and replica != message.replica and not held >> replica & 1:
            core.forward(message.replica, view_change, frame)


def help_with_checkpoints(core: Core, message: Status) -> None:
    """The certificate of the stable checkpoint, and own CHECKPOINTs above the peer's low watermark."""
    if message.low_watermark < core.log.low_watermark:
        for frame in core.checkpoints.stable_certificate:
            core.forward(message.replica, decode(decode_envelope(frame).payload), frame)
    for sequence_number, votes in sorted(core.checkpoints.votes.items()):
        own = votes.get(core.replica_id)
        if own is not None and sequence_number > message.low_watermark:
            core.forward(message.replica, own[0], own[1])


def help_with_decisions(core: Core, message: Status) -> None:
    """DECIDED claims for what the peer has not executed and this replica has."""
    first = message.last_executed + 1
    last = min(core.last_executed, message.last_executed + DECIDED_MAX)
    entries: list[Chosen] = []
    for sequence_number in range(first, last + 1):
        digest = core.log.decided_digest(sequence_number)
        if digest is not None:
            entries.append(Chosen(sequence_number, digest))
    if entries:
        core.send(message.replica, Decided(tuple(entries), core.replica_id))


def help_with_votes(core: Core, message: Status) -> None:
    """The PRE-PREPARE as it came, and own votes authenticated anew, of slots that are not committed at the peer. A
    slot that it has executed is among them: after a view change the others need its votes again."""
    helped = 0
    for sequence_number, slot in sorted(core.log.slots.items()):
        at = sequence_number - message.low_watermark - 1
        flags = message.slots[at] if 0 <= at < len(message.slots) else 0
        if at < 0 or slot.digest is None or flags & SlotFlag.COMMITTED:
            continue
        helped += 1
        if helped > SLOTS_MAX:
            return
        if slot.frame and not flags & SlotFlag.PRE_PREPARED and core.primary != message.replica:
            repeat_proposal(core, message.replica, slot)
        if core.replica_id in slot.prepares and not flags & SlotFlag.PREPARED:
            core.send(message.replica, Prepare(core.view, sequence_number, slot.digest, core.replica_id))
        if slot.phase >= Phase.PREPARED:
            core.send(message.replica, Commit(core.view, sequence_number, slot.digest, core.replica_id))


def repeat_proposal(core: Core, receiver: int, slot: Slot) -> None:
    """The PRE-PREPARE: the own one is authenticated anew, its keys may be others now."""
    envelope = decode_envelope(slot.frame)
    proposal = decode(envelope.payload)
    if core.is_primary:
        core.send(receiver, proposal, envelope.attachments)
    else:
        core.forward(receiver, proposal, slot.frame)


def on_decided(core: Core, opened: Opened) -> None:
    """DEC-2: f + 1 equal claims are one correct replica's word: the slot is decided, though not prepared here."""
    message = opened.message
    assert isinstance(message, Decided)
    reason = admission.accept_decided(core, message)
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    for entry in message.entries:
        if entry.sequence_number <= core.last_executed or not core.log.in_window(entry.sequence_number):
            continue
        slot = core.log.slot(entry.sequence_number)
        slot.claims.setdefault(message.replica, entry.digest)
        claims = sum(1 for digest in slot.claims.values() if digest == entry.digest)
        if slot.decided is None and claims >= core.quorums.weak:
            decide(core, slot, entry.digest)
            core.touched.add(entry.sequence_number)
            core.trace("decided", sequence_number=entry.sequence_number, digest=entry.digest)


def fetch(core: Core, digests: list[bytes]) -> None:
    """Ask for bodies: the primary at once, all others when that did not help."""
    if not digests:
        return
    message = FetchBatches(tuple(digests[:FETCH_MAX]), core.replica_id)
    ask_all = any(core.missing[digest] >= ASK_ALL_AFTER for digest in message.digests)
    others = [replica for replica in range(core.replica_count) if replica != core.replica_id]
    for replica in others if ask_all or core.primary == core.replica_id else [core.primary]:
        core.send(replica, message)
    for digest in message.digests:
        core.missing[digest] += 1


def on_fetch_batches(core: Core, opened: Opened) -> None:
    """Send the bodies that are held here."""
    message = opened.message
    assert isinstance(message, FetchBatches)
    reason = admission.accept_fetch(core, message)
    if reason is None and not answers.may_answer(core, message.replica):
        reason = admission.TOO_MUCH
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    send_batches(core, message.replica, message.digests)
    separate.note_fetched(core, message.digests)


def send_batches(core: Core, receiver: int, digests: tuple[bytes, ...]) -> None:
    """BATCHES with what is held of *digests*, bounded in bytes."""
    room = BATCH_BYTES_MAX
    bodies: list[bytes] = []
    for digest in digests:
        batch = core.log.batch(digest)
        if batch is None:
            continue
        room -= len(batch.data)
        if room < 0 and bodies:
            break
        bodies.append(batch.data)
    if bodies:
        answers.charge(core, receiver, len(bodies), sum(map(len, bodies)))
        core.send(receiver, Batches(core.replica_id), tuple(bodies))


def on_batches(core: Core, opened: Opened) -> None:
    """FETCH-2: take the bodies that were missing; each proves itself by its digest."""
    message = opened.message
    assert isinstance(message, Batches)
    reason = admission.accept_batches(core, message, opened.envelope)
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    for data in opened.envelope.attachments:
        try:
            batch = open_batch(data)
        except MalformedMessage:
            admission.refuse(core, message, "a batch is malformed")
            return
        if batch.digest not in core.missing or separate.take_body(core, batch):
            continue
        del core.missing[batch.digest]
        for sequence_number, slot in core.log.slots.items():
            if batch.digest in (slot.digest, slot.decided):
                core.touched.add(sequence_number)
        core.keep_batch(batch, core.log.high_watermark)


def forget_needless(core: Core) -> None:
    """Bodies that nothing needs any more are no longer asked for."""
    needed = {slot.decided for slot in core.log.slots.values()} | {slot.digest for slot in core.log.slots.values()}
    needed |= {slot.parked.digest for slot in core.log.slots.values() if slot.parked is not None}
    if core.views.view_changes:
        for view_change, _ in core.views.view_changes.values():
            needed.update(claim.digest for claim in view_change.prepared)
    core.missing = {digest: asked for digest, asked in core.missing.items() if digest in needed}

"""Checkpoints, stability and garbage collection (OSDI'99 4.3)."""

from __future__ import annotations

from typing import Final

from quorate.core import admission
from quorate.core.context import Core, Frozen, HeldCheckpoint, Status
from quorate.core.ports import Opened
from quorate.core.tables import TablesSnapshot, encode_snapshot
from quorate.errors import require
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import Checkpoint
from quorate.messages.records import CheckpointRecord, Forget, StableRecord

STUCK_ROUNDS_MAX: Final = 5
"""How often a replica asks for what it lacks, without getting any further, before it fetches a whole checkpoint."""
DIVERGED: Final = "others vouch for another state than the own; what differs is fetched"
PACE_MAX: Final = 8
"""Steps of hashing in one turn, of a millisecond each: so many while nothing can be executed before the last."""


def hold(core: Core, sequence_number: int) -> HeldCheckpoint:
    """Freeze the present state under a sequence number, and hash it here and now."""
    snapshot = core.tables.snapshot()
    service_digest = core.service.checkpoint(sequence_number)
    while service_digest is None:
        service_digest = core.service.digest(sequence_number)
    return keep(core, sequence_number, Frozen(snapshot, core.tables.digest()), service_digest)


def keep(core: Core, sequence_number: int, frozen: Frozen, service_digest: bytes) -> HeldCheckpoint:
    """A checkpoint is held once its digest is known."""
    digest = checkpoint_digest(service_digest, frozen.digest)
    checkpoint = HeldCheckpoint(digest, service_digest, frozen.tables)
    core.checkpoints.held[sequence_number] = checkpoint
    return checkpoint


def newest(core: Core) -> tuple[int, TablesSnapshot]:
    """The checkpoint that was taken last, hashed or not: what the service goes back to."""
    if core.checkpoints.hashing is not None:
        sequence_number, frozen = core.checkpoints.hashing
        return sequence_number, frozen.tables
    sequence_number = max(core.checkpoints.held)
    return sequence_number, core.checkpoints.held[sequence_number].tables


def take(core: Core, sequence_number: int) -> None:
    """Every K sequence numbers: freeze the state (CP-1). Hashing it may go on while more is executed."""
    require(core.checkpoints.hashing is None, "a checkpoint is taken when the one before is hashed")
    frozen = Frozen(core.tables.snapshot(), core.tables.digest())
    service_digest = core.service.checkpoint(sequence_number)
    core.checkpoints.hashing = (sequence_number, frozen)
    if service_digest is not None:
        vouch(core, service_digest)


def has_to_wait(core: Core, sequence_number: int) -> bool:
    """Whether the batch that ends in the next checkpoint comes too early: the one before is still being hashed, or
    written to a disk that is slow. What is decided waits, and input is looked at meanwhile."""
    waits = core.checkpoints.hashing is not None and sequence_number % core.settings.checkpoint_interval == 0
    core.checkpoints.is_late = core.checkpoints.is_late or waits
    return waits


def hash_some(core: Core) -> bool:
    """Do a little of the hashing that is due; whether that was the last of it."""
    if core.checkpoints.hashing is None:
        return False
    for _ in range(present_pace(core, core.checkpoints.hashing[0])):
        service_digest = core.service.digest(core.checkpoints.hashing[0])
        if service_digest is not None:
            set_pace(core)
            vouch(core, service_digest)
            return True
    return False


def present_pace(core: Core, sequence_number: int) -> int:
    """How many steps of hashing this turn takes: twice as many with each quarter of the interval that has gone by."""
    if core.checkpoints.is_late:
        return PACE_MAX
    quarters = 4 * (core.last_executed - sequence_number) // core.settings.checkpoint_interval
    return min(core.checkpoints.pace << quarters, PACE_MAX)


def set_pace(core: Core) -> None:
    """How much of the next checkpoint is hashed in a turn: more when this one was late, less when it was early."""
    checkpoints = core.checkpoints
    assert checkpoints.hashing is not None
    if checkpoints.is_late:
        checkpoints.pace = min(2 * checkpoints.pace, PACE_MAX)
    elif 2 * (core.last_executed - checkpoints.hashing[0]) < core.settings.checkpoint_interval:
        checkpoints.pace = max(1, checkpoints.pace - 1)
    checkpoints.is_late = False


def vouch(core: Core, service_digest: bytes) -> None:
    """The digest of the frozen state is known: keep the checkpoint, and say so with CHECKPOINT (CP-1)."""
    assert core.checkpoints.hashing is not None
    sequence_number, frozen = core.checkpoints.hashing
    core.checkpoints.hashing = None
    checkpoint = keep(core, sequence_number, frozen, service_digest)
    tables = encode_snapshot(checkpoint.tables)
    core.persist(CheckpointRecord(sequence_number, checkpoint.digest, checkpoint.service_digest, tables))
    core.trace("checkpoint", sequence_number=sequence_number, digest=checkpoint.digest)
    said = say(core, sequence_number, checkpoint.digest)
    if said is not None:
        record(core, *said)
    else:
        stabilise_if_vouched(core, sequence_number)


def say(core: Core, sequence_number: int, digest: bytes) -> tuple[Checkpoint, bytes] | None:
    """CHECKPOINT; a recovering replica says none, and only counts the others' (REC-2)."""
    if core.status is Status.RECOVERING:
        return None
    message = Checkpoint(sequence_number, digest, core.replica_id, core.epoch)
    return message, core.broadcast(message)


def take_back(core: Core) -> None:
    """The state is another one now: what was said of the one before, which may have been damaged, is not repeated."""
    for votes in core.checkpoints.votes.values():
        votes.pop(core.replica_id, None)
    core.checkpoints.vouchers.forget(core.replica_id)


def on_checkpoint(core: Core, opened: Opened) -> None:
    """Record a CHECKPOINT: as a vote for a sequence number inside the window, and among the newest at all."""
    message = opened.message
    assert isinstance(message, Checkpoint)
    reason = admission.accept_checkpoint(core, message)
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    record(core, message, opened.frame)


def record(core: Core, message: Checkpoint, frame: bytes) -> None:
    """Note a vote, and conclude whether a checkpoint is stable now.

    A sender's first vote for a number counts, or, if it signed several, the one that agrees with the state here: its
    peers' certificate may hold that one, and a liar that tells each something else must not keep it from counting.
    """
    core.checkpoints.vouchers.add(message, frame)
    if not core.log.in_window(message.sequence_number):
        stabilise_passed(core)
        return
    votes = core.checkpoints.votes.setdefault(message.sequence_number, {})
    present = votes.setdefault(message.replica, (message, frame))
    if present[0].digest != message.digest:
        admission.refuse(core, message, "a second vote for another digest")
        held = core.checkpoints.held.get(message.sequence_number)
        if held is not None and held.digest == message.digest:
            votes[message.replica] = (message, frame)
    stabilise_if_vouched(core, message.sequence_number)


def stabilise_if_vouched(core: Core, sequence_number: int) -> None:
    """A checkpoint that is held here is stable with a quorum of equal CHECKPOINTs (CP-3). When a quorum agrees on
    another digest than this replica's, its state is damaged."""
    held = core.checkpoints.held.get(sequence_number)
    votes = core.checkpoints.votes.get(sequence_number, {})
    if held is None:
        return
    frames = [frame for _, (vote, frame) in sorted(votes.items()) if vote.digest == held.digest]
    if len(frames) >= core.quorums.quorum:
        stabilise(core, sequence_number, tuple(frames))
        return
    others = [vote.digest for vote, _ in votes.values() if vote.digest != held.digest]
    is_damaged = any(others.count(digest) >= core.quorums.weak for digest in set(others))
    if is_damaged and core.diverged_at is None:
        core.diverged_at = sequence_number
        core.refuse("STATE", DIVERGED, core.replica_id)
        core.note("state-diverged", sequence_number=sequence_number)


def stabilise_passed(core: Core) -> None:
    """A laggard's newest checkpoint is stable too once a quorum, itself included, has vouched for this or a later
    number: f + 1 correct replicas hold that state, and their votes for the older one are forgotten (CP-5). Not a state
    that others vouch against."""
    newest = max(core.checkpoints.held)
    if newest <= core.log.low_watermark or core.diverged_at is not None:
        return
    frames = [
        frame
        for replica, number, frame in core.checkpoints.vouchers.newest()
        if number > newest or replica == core.replica_id
    ]
    if len(frames) >= core.quorums.quorum:
        stabilise(core, newest, tuple(frames))


def stabilise(core: Core, sequence_number: int, certificate: tuple[bytes, ...]) -> None:
    """h := n, and everything at and below it is forgotten (CP-4). Only a checkpoint that is held here gets here."""
    digest = core.checkpoints.held[sequence_number].digest
    core.log.move_low_watermark(sequence_number)
    checkpoints = core.checkpoints
    checkpoints.votes = {number: votes for number, votes in checkpoints.votes.items() if number > sequence_number}
    checkpoints.stable_certificate = certificate
    core.touched = {number for number in core.touched if number > sequence_number} | set(core.log.admit_chosen())
    core.parked = {number for number in core.parked if number > sequence_number}
    release_old(core)
    core.persist(StableRecord(sequence_number, digest, certificate))
    core.persist(Forget(sequence_number))
    core.trace("stable", sequence_number=sequence_number, digest=digest)


def release_old(core: Core) -> None:
    """Forget the checkpoints below the low watermark, but for those that a peer is fetching."""
    pinned = {number for number, _, _ in core.pins.values()}
    core.checkpoints.held = {
        number: held
        for number, held in core.checkpoints.held.items()
        if number >= core.log.low_watermark or number in pinned
    }
    core.service.release(core.checkpoints.held.keys())


def state_is_needed(core: Core) -> bool:
    """Whether only another replica's state can help (ST-0): f + 1 vouch for another state than this replica's; or
    f + 1 peers have forgotten what is next to be executed here, because it lies below their history, or because they
    are past it and nothing has come for some rounds of asking (a restart forgets the history)."""
    if core.diverged_at is not None:
        return True
    horizon = core.last_executed + core.log.window
    if core.timers.stuck_rounds >= STUCK_ROUNDS_MAX:
        horizon = core.last_executed
    ahead = {peer for peer, (_, low_watermark) in core.peer_marks.items() if low_watermark > horizon}
    # Whoever has taken a checkpoint has executed so much, and its low watermark is less than a window below that.
    ahead |= {peer for peer, number, _ in core.checkpoints.vouchers.newest() if number - core.log.window > horizon}
    return len(ahead) >= core.quorums.weak

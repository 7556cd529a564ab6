"""Admission: which messages the rules listen to. One pure predicate a message type.

Each docstring lists the paper's conditions; each returns None when all hold, else the reason why not. A refused
message leaves the state as it was. That the sender is who it says is checked before, by `auth`.
"""

from __future__ import annotations

from typing import Final

from quorate.core import timers
from quorate.core.context import Core, Status
from quorate.core.log import OpenBatch, Slim
from quorate.core.ports import Opened
from quorate.core.quorum import primary_of
from quorate.core.recoveries import AHEAD, OUTDATED, RECOVERED, recovery_point
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.codec import Envelope, encode
from quorate.messages.protocol import (
    Batches,
    Checkpoint,
    Commit,
    Decided,
    FetchBatches,
    FromReplica,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Request,
    StatePieces,
    ViewChange,
)

Reason = str | None
"""None: accepted. Otherwise why not."""

EARLY: Final = "for a view that is not entered yet"
BEYOND: Final = "above the high watermark"
LAGS: Final = frozenset({EARLY, BEYOND, AHEAD})
"""After these refusals a replica says what it has (STATUS): it may be the one that lags."""
LEFT: Final = "for a view that was entered or left"
DONE: Final = "at or below the low watermark"
KNOWN: Final = "already accepted"
OLDER: Final = "not newer than its sender's last"
OWN: Final = "from this replica itself"
OTHER: Final = "another digest was accepted"
UNWANTED: Final = "nothing is missing"
NOT_HELD: Final = "its checkpoint is not held here"
UNSIGNED: Final = "not signed, of a client that has to sign"
NO_ADMINISTRATOR: Final = "of a client that is no administrator"
TOO_MUCH: Final = "asks for more than its allowance"
_PAST: Final = {LEFT, DONE, KNOWN, OLDER, OUTDATED, RECOVERED}
ORDINARY: Final = LAGS | _PAST | {UNWANTED, NOT_HELD, OWN, TOO_MUCH, UNSIGNED}
"""Refusals that an honest network brings about. All others are incidents: somebody is wrong, or lies."""

CARRIERS: Final = frozenset({PrePrepare, NewView, Batches, StatePieces})
"""Messages beside which something travels."""
FIXED: Final = frozenset({PrePrepare, Prepare, Commit, Checkpoint})
"""Messages without lists, which certificates and NEW-VIEWs pass on."""
FIXED_BYTES_MAX: Final = 128
ENVELOPE_BYTES_MAX: Final = 16
"""What an envelope adds to a payload and its authentication."""


def refuse(core: Core, message: FromReplica, reason: str) -> None:
    """Note a refusal; after one that shows a lag, say soon what is here."""
    if reason in LAGS:
        timers.ask_soon(core)
    note_refusal(core, type(message).__name__, reason, message.replica)


def note_refusal(core: Core, kind: str, reason: str, sender: object) -> None:
    """Tell of a refusal; what an honest network brings about is no incident."""
    if reason in ORDINARY:
        core.pass_over(kind, reason, sender)
    else:
        core.refuse(kind, reason, sender)


def accept_frame(opened: Opened) -> Reason:
    """FRAME-1: a frame is looked at if it is no longer than what it says. What is kept here is passed on, in
    certificates and NEW-VIEWs, and those have to fit the frame limit whatever f liars send:

    - nothing travels beside a message that carries nothing, nor behind its envelope;
    - the payload of a vote or a VIEW-CHANGE is in its shortest form.
    """
    message, envelope = opened.message, opened.envelope
    kind = type(message)
    if kind not in CARRIERS:
        if envelope.attachments:
            return "something travels beside it"
        if len(opened.frame) > len(envelope.payload) + len(envelope.authentication) + ENVELOPE_BYTES_MAX:
            return "longer than what it says"
    if kind in FIXED and len(envelope.payload) > FIXED_BYTES_MAX:
        return "longer than what it says"
    if kind is ViewChange and len(envelope.payload) != len(encode(message)):
        return "longer than what it says"
    return None


def accept_request(core: Core, message: Request, frame: bytes) -> Reason:
    """REQ-1: a request is queued if

    - it is not larger than the cluster's limit;
    - it has operations, or opens a session;
    - it may wait (`may_wait`).
    """
    if len(frame) > core.settings.request_bytes_max:
        return "larger than request_bytes_max"
    if message.session and not message.operations:
        return "neither operations of a session nor the opening of one"
    return may_wait(core, message, frame)


def may_wait(core: Core, message: Request, frame: bytes) -> Reason:
    """A request waits for its execution, and starts a timer, if

    - it is signed, where its client is not believed without: its MACs may hold here alone (REQ-3);
    - by the access table as it is executed here its client is known and not revoked, and is an administrator where it
      changes the table (ACCESS-3). Execution judges again, for good; but as grants never change, a client that is no
      administrator never was one, and is told so at once. A replica may ask to recover, and for nothing else (REC-1).
    """
    if message.client in core.doubted and not core.auth.is_signed_request(frame):
        return UNSIGNED
    if core.tables.recoveries.replica_of(message.client) is not None:
        return core.tables.recoveries.doubt_request(message)
    if not core.tables.may_use(message.client):
        return "of an unknown client"
    if message.session == 0 and message.operations and not core.tables.may_administer(message.client):
        return NO_ADMINISTRATOR
    return None


def accept_pre_prepare(core: Core, message: PrePrepare) -> Reason:
    """PP-1: a backup accepts PRE-PREPARE(v, n, d) from the primary if (OSDI'99 4.2)

    - it is in view v and v's primary sent it;
    - h < n <= H, so that a faulty primary cannot exhaust the sequence numbers (P5);
    - it accepted no PRE-PREPARE for (v, n) with another digest (P2);
    - n is above all that the NEW-VIEW of v speaks of.
    """
    if message.replica != primary_of(message.view, core.replica_count):
        return "not from the primary of its view"
    if message.view != core.view or core.status is not Status.NORMAL:
        return _not_in_view(core, message.view)
    if core.is_primary:
        return OWN
    if not core.log.in_window(message.sequence_number):
        return _outside_window(core, message.sequence_number)
    slot = core.log.slots.get(message.sequence_number)
    if slot is not None and slot.digest is not None:
        return KNOWN if slot.digest == message.digest else OTHER
    if message.sequence_number <= core.log.covered:
        return "the NEW-VIEW of its view speaks of this number"
    return None


def accept_batch(core: Core, digest: bytes, batch: OpenBatch | Slim) -> Reason:
    """PP-2: the batch beside a PRE-PREPARE

    - has the digest that the PRE-PREPARE names;
    - orders no more, and no larger, requests than the cluster's limits allow (P13).
    """
    if batch.digest != digest:
        return "the batch has another digest"
    if len(batch.digests) > core.settings.batch_requests_max:
        return "more requests than batch_requests_max"
    if len(batch.data) > core.settings.batch_bytes_max + 64 * len(batch.frames) + 1024:
        return "larger than batch_bytes_max"
    for request, frame in zip(batch.requests, batch.frames, strict=True):
        if len(frame) > core.settings.request_bytes_max or (request.session and not request.operations):
            return "a request in the batch is not acceptable"
    return None


def first_unauthentic_request(core: Core, batch: OpenBatch) -> Reason:
    """PP-3: the requests of a batch are authentic: held from their client already, or with a valid signature or MAC
    (facts 2.2). Returns the reason of the first that is not."""
    for request, digest, frame in zip(batch.requests, batch.digests, batch.frames, strict=True):
        held = core.waiting.get(request.client, request.session)
        if held is not None and held.digest == digest:
            continue
        try:
            core.auth.open(frame)
        except (AuthenticationFailed, MalformedMessage):
            return f"a request of client {request.client.hex()[:8]} is not authentic here"
    return None


def accept_vote(core: Core, message: Prepare | Commit) -> Reason:
    """PREP-2, COM-2: a PREPARE or COMMIT counts if (OSDI'99 4.2)

    - h < n <= H;
    - it is for the view that this replica is in (one for a higher view is kept as EARLY);
    - a PREPARE is not from the primary of its view, which sends none (B4).
    """
    if not core.log.in_window(message.sequence_number):
        return _outside_window(core, message.sequence_number)
    if type(message) is Prepare and message.replica == primary_of(message.view, core.replica_count):
        return "a PREPARE in the name of the primary"
    if message.view != core.view or core.status is not Status.NORMAL:
        return _not_in_view(core, message.view)
    return None


def accept_epoch(core: Core, replica: int, epoch: int, reached: int | None = None) -> Reason:
    """EPOCH-1: what a replica signs about its votes counts if its recovery epoch is the one in the tables here; if it
    lies above all that was executed here, this replica lags. It says nothing before *reached* is its recovery point."""
    if epoch and reached is not None and reached < recovery_point(epoch, core.settings):
        return "of a recovery epoch whose recovery point is not reached"
    return core.tables.recoveries.doubt_epoch(replica, epoch, core.last_executed)


def accept_checkpoint(core: Core, message: Checkpoint) -> Reason:
    """CP-2: a CHECKPOINT is recorded if its sequence number is a multiple of K above the low watermark, and its epoch
    is its sender's, or may be for all that a laggard knows: it needs the CHECKPOINT to catch up."""
    reason = accept_epoch(core, message.replica, message.epoch, message.sequence_number)
    if reason not in (None, AHEAD):
        return reason
    if message.sequence_number % core.settings.checkpoint_interval:
        return "not at a multiple of the checkpoint interval"
    return DONE if message.sequence_number <= core.log.low_watermark else None


def accept_view_change(core: Core, message: ViewChange) -> Reason:
    """VC-2: a VIEW-CHANGE is recorded if

    - it is for this replica's view or a later one, and newer than the last of its sender (B5);
    - its contents are possible (`possible_view_change`).
    """
    if message.view < core.view or (message.view == core.view and core.status is Status.NORMAL):
        return LEFT
    present = core.views.view_changes.get(message.replica)
    if present is not None and present[0].view >= message.view:
        return OLDER
    return possible_view_change(core, message)


def possible_view_change(core: Core, message: ViewChange) -> Reason:
    """VC-3: the contents of a VIEW-CHANGE for view v are possible if (facts 2.3)

    - C has its sender's low watermark h, lies in [h, h + L] at multiples of K, each once;
    - P and Q lie in (h, h + L] and in views below v; P has each number once, Q each (number, digest) once, and no more
      digests a number than a correct replica keeps;
    - with everything signed, each element of P carries its prepared certificate (B7), with MACs none does;
    - its recovery epoch is its sender's, whose low watermark has passed the recovery point of that epoch.
    """
    low, window = message.low_watermark, core.log.window
    numbers = [claim.sequence_number for claim in message.checkpoints]
    if low not in numbers or len(set(numbers)) != len(numbers):
        return "C lacks its low watermark, or names a checkpoint twice"
    if any(number % core.settings.checkpoint_interval or not low <= number <= low + window for number in numbers):
        return "a checkpoint of C is outside its window"
    reason = accept_epoch(core, message.replica, message.epoch, low)
    if reason is not None:
        return reason
    claims: list[PreparedClaim | PrePreparedClaim] = [*message.prepared, *message.pre_prepared]
    if any(not low < claim.sequence_number <= low + window or claim.view >= message.view for claim in claims):
        return "a claim of P or Q is outside its window or its views"
    if len({claim.sequence_number for claim in message.prepared}) != len(message.prepared):
        return "P names a sequence number twice"
    if len({(claim.sequence_number, claim.digest) for claim in message.pre_prepared}) != len(message.pre_prepared):
        return "Q names a digest twice"
    if len(message.pre_prepared) > (core.quorums.faults + 3) * window:
        return "Q is larger than a correct replica's"
    if core.signs_everything and not all(has_certificate(core, claim) for claim in message.prepared):
        return "a prepared certificate of P does not hold"
    if not core.signs_everything and any(claim.certificate for claim in message.prepared):
        return "a claim of P carries a certificate that nobody checks"
    return None


def has_certificate(core: Core, claim: PreparedClaim) -> bool:
    """VC-4: the certificate of an element (n, d, v) of P: a PRE-PREPARE(v, n, d) of v's primary and quorum - 1
    PREPARE(v, n, d) of distinct backups, all signed, and nothing else."""
    if len(claim.certificate) != core.quorums.quorum:
        return False
    primary = primary_of(claim.view, core.replica_count)
    senders: set[int] = set()
    is_proposed = False
    for frame in claim.certificate:
        try:
            opened = core.auth.open(frame)
        except (AuthenticationFailed, MalformedMessage):
            return False
        message = opened.message
        if not isinstance(message, PrePrepare | Prepare):
            return False
        if opened.envelope.attachments or accept_frame(opened) is not None:
            return False
        if (message.sequence_number, message.digest, message.view) != (claim.sequence_number, claim.digest, claim.view):
            return False
        if isinstance(message, PrePrepare):
            is_proposed = is_proposed or message.replica == primary
        elif message.replica != primary:
            senders.add(message.replica)
    return is_proposed and len(senders) >= core.quorums.quorum - 1


def accept_new_view(core: Core, message: NewView) -> Reason:
    """NV-2: a NEW-VIEW is examined if

    - its view's primary sent it, and that is not this replica;
    - this replica moves to that view, or is in an earlier one;
    - it carries as many VIEW-CHANGEs as replicas at most. What they say is checked by `new_view.open_new_view`.
    """
    if message.replica == core.replica_id:
        return OWN
    if message.replica != primary_of(message.view, core.replica_count):
        return "not from the primary of its view"
    if message.view < core.view or (message.view == core.view and core.status is Status.NORMAL):
        return LEFT
    reason = accept_epoch(core, message.replica, message.epoch)
    if reason is not None:
        return reason
    if not core.quorums.quorum <= len(message.view_changes) <= core.replica_count:
        return "without a quorum of VIEW-CHANGEs"
    return None


def accept_decided(core: Core, message: Decided) -> Reason:
    """DEC-1: DECIDED claims are recorded if they name each sequence number once."""
    if len({entry.sequence_number for entry in message.entries}) != len(message.entries):
        return "names a sequence number twice"
    return None


def accept_fetch(core: Core, message: FetchBatches) -> Reason:
    """FETCH-1: batches are sent to a replica that names them by digests, each once."""
    if len(set(message.digests)) != len(message.digests):
        return "names a digest twice"
    return None


def accept_batches(core: Core, message: Batches, envelope: Envelope) -> Reason:
    """FETCH-2: bodies are looked at only while some are missing."""
    return None if core.missing else UNWANTED


def _not_in_view(core: Core, view: int) -> str:
    entered = core.status is Status.NORMAL
    return EARLY if view > core.view or (view == core.view and not entered) else LEFT


def _outside_window(core: Core, sequence_number: int) -> str:
    return BEYOND if sequence_number > core.log.low_watermark else DONE

"""The normal case (OSDI'99 4.2): REQUEST, PRE-PREPARE, PREPARE, COMMIT.

Handlers record facts; `advance` draws a slot's conclusions. PREPARE and COMMIT are sent from exactly one place each,
so late, early and reordered messages need no special case.
"""

from __future__ import annotations

from quorate.core import admission, pace, reach, separate
from quorate.core.context import MILLISECOND, Core, Status
from quorate.core.log import OpenBatch, Parked, Phase, Slim, Slot, Vote, open_proposal
from quorate.core.ports import Opened
from quorate.core.replies import send_reply
from quorate.core.waiting import Waiting
from quorate.errors import MalformedMessage, require
from quorate.messages.codec import encode_batch, without_attachments
from quorate.messages.digests import batch_digest, request_digest
from quorate.messages.protocol import (
    Batch,
    Commit,
    Outcome,
    Prepare,
    PreparedClaim,
    PrePrepare,
    Request,
)
from quorate.messages.records import DecidedRecord, PreparedRecord, PrePreparedRecord


def on_request(core: Core, opened: Opened) -> None:
    """Answer a request that was executed already; else let it wait, and pass it to the primary (OSDI'99 4.1)."""
    request = opened.message
    assert isinstance(request, Request)
    reason = admission.accept_request(core, request, opened.frame)
    if reason is not None:
        admission.note_refusal(core, "REQUEST", reason, request.client.hex()[:8])
        if reason is admission.NO_ADMINISTRATOR:
            send_reply(core, request, Outcome.DENIED, ())
        return
    if answer_executed(core, request):
        return
    waiting = Waiting(request, request_digest(opened.envelope.payload), opened.frame)
    is_new = core.waiting.add(waiting)
    if core.status is Status.NORMAL and not core.is_primary:
        if is_new:
            pace.arrived(core, request)
        separate.receive(core, waiting, is_new)


def answer_executed(core: Core, request: Request) -> bool:
    """Resend the reply of a request that was executed here, whole; True when there is nothing left to order (REQ-2)."""
    if request.session == 0:
        last = core.tables.last_opening(request.client)
        if last is None or request.timestamp > last.timestamp:
            return False
        if request.timestamp == last.timestamp:
            send_reply(core, request, last.outcome, last.results)
        else:
            send_reply(core, request, Outcome.STALE, (last.timestamp.to_bytes(8, "big"),))
        return True
    row = core.tables.session(request.client, request.session)
    if row is None or request.timestamp > row.timestamp:
        return False
    if request.timestamp == row.timestamp:
        send_reply(core, request, row.outcome, row.results)
    return True


def propose(core: Core) -> None:
    """The primary orders what waits: a batch at a time, a few in flight, inside the window (OSDI'99 4.2; facts 3.4)."""
    while core.is_primary and core.waiting.has_ready and has_room(core):
        settings = core.settings
        propose_batch(core, core.waiting.take(settings.batch_requests_max, settings.batch_bytes_max))


def has_room(core: Core) -> bool:
    """Whether the primary may start another batch: its number is inside the window, and few are in flight."""
    in_flight = core.next_sequence_number - 1 - core.last_executed
    return core.log.in_window(core.next_sequence_number) and in_flight < core.settings.batches_in_flight


def propose_batch(core: Core, requests: list[Waiting]) -> None:
    """Send PRE-PREPARE for the next sequence number. No requests: a tick, which only lets the agreed time advance."""
    sequence_number = core.next_sequence_number
    core.next_sequence_number += 1
    frames = tuple(waiting.frame for waiting in requests)
    digests = tuple(waiting.digest for waiting in requests)
    data = encode_batch(Batch(core.wall, frames))
    digest = batch_digest(core.wall, list(digests))
    batch = OpenBatch(digest, core.wall, tuple(waiting.request for waiting in requests), frames, digests, data)
    slot = core.log.slot(sequence_number)
    require(slot.digest is None, "a primary gives a sequence number once in a view")
    message = PrePrepare(core.view, sequence_number, digest, core.replica_id)
    frame = core.auth.seal(message, (separate.beside_proposal(core, requests, data),))
    record_pre_prepare(core, slot, batch, frame)
    core.broadcast_frame(message, frame)
    send_commits(core)


def record_pre_prepare(core: Core, slot: Slot, batch: OpenBatch, frame: bytes) -> None:
    """The PRE-PREPARE is in the log, with its body, and in Q: on disk before what it lets this replica say.

    `frame` is empty when a NEW-VIEW chose the digest; `slot.proposal` is set already then, where certificates need it.
    """
    slot.digest = batch.digest
    slot.frame = frame
    slot.phase = Phase.PRE_PREPARED
    core.log.highest_proposed = max(core.log.highest_proposed, slot.sequence_number)
    if frame and core.signs_everything:
        slot.proposal = without_attachments(frame)
    core.keep_batch(batch, slot.sequence_number)
    core.log.note_pre_prepared(slot.sequence_number, batch.digest, core.view)
    core.persist(PrePreparedRecord(slot.sequence_number, batch.digest, core.view, slot.proposal))
    core.touched.add(slot.sequence_number)
    core.trace("pre-prepared", view=core.view, sequence_number=slot.sequence_number, digest=batch.digest)


def on_pre_prepare(core: Core, opened: Opened) -> None:
    """A backup accepts the primary's proposal, parks it, or refuses it."""
    message = opened.message
    assert isinstance(message, PrePrepare)
    reason = admission.accept_pre_prepare(core, message)
    if reason in (None, admission.OTHER):
        reach.proposed(core, message)
    if reason is None and len(opened.envelope.attachments) != 1:
        reason = "without its batch"
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    try:
        batch = open_proposal(opened.envelope.attachments[0])
    except MalformedMessage:
        admission.refuse(core, message, "the batch is malformed")
        return
    reason = admission.accept_batch(core, message.digest, batch)
    slot = core.log.slots.get(message.sequence_number)
    if slot is not None and slot.parked is not None and slot.parked.digest == batch.digest and isinstance(batch, Slim):
        reason = admission.KNOWN  # it waits for its requests already
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    slot = core.log.slot(message.sequence_number)
    slot.parked = Parked(batch.digest, batch, opened.frame, core.now)
    core.parked.add(slot.sequence_number)
    core.touched.add(slot.sequence_number)


def reconsider(core: Core, slot: Slot) -> None:
    """Accept a parked PRE-PREPARE if its requests are authentic here and its time is not too far ahead, or if f
    matching PREPAREs vouch for it: with the primary's that is f + 1, so a correct replica accepted it (PP-4). One did
    too if it is decided."""
    batch = separate.complete(core, slot)
    parked = slot.parked
    if batch is None or parked is None:
        return
    vouchers = sum(1 for vote in slot.prepares.values() if vote.digest == parked.digest)
    is_vouched = slot.decided == parked.digest or vouchers >= core.quorums.faults > 0
    if not is_vouched:
        ahead = batch.time - core.wall - core.settings.clock_skew_ms * MILLISECOND
        if ahead > 0:
            slot.parked = parked._replace(reconsider_at=core.now + ahead)
            core.incidents["PRE-PREPARE: its time is too far ahead"] += 1
            return
        if admission.first_unauthentic_request(core, batch) is not None:
            slot.parked = parked._replace(reconsider_at=None)
            core.missing.setdefault(parked.digest, 0)  # perhaps only these copies of its requests are spoilt
            core.incidents["PRE-PREPARE: a request is not authentic here"] += 1
            return
    slot.parked = None
    core.parked.discard(slot.sequence_number)
    core.missing.pop(batch.digest, None)
    accept(core, slot, batch, parked.frame)
    excused = min(core.now - parked.since, separate.patience(core))  # a client may have kept back or spoilt something
    pace.proposed(core, slot.sequence_number, batch, excused, reach.accepted(core, slot.sequence_number, excused))
    watch_primary_clock(core, batch)
    if not is_vouched and slot.sequence_number > core.last_executed:
        wait_for_execution(core, batch)


def accept(core: Core, slot: Slot, batch: OpenBatch, frame: bytes) -> None:
    """Enter the pre-prepare phase: log it; a backup says so with PREPARE, the primary sends none (PP-5)."""
    record_pre_prepare(core, slot, batch, frame)
    for request in batch.requests:
        core.waiting.mark_ordered(request)
    if core.is_primary:
        return
    prepare = Prepare(core.view, slot.sequence_number, batch.digest, core.replica_id)
    sealed = core.broadcast(prepare)
    send_commits(core)
    slot.prepares[core.replica_id] = Vote(core.view, batch.digest, sealed if core.signs_everything else b"")


def wait_for_execution(core: Core, batch: OpenBatch) -> None:
    """A request first seen inside a PRE-PREPARE starts the timer too (facts 1.7), if it is authentic here."""
    for request, digest, frame in zip(batch.requests, batch.digests, batch.frames, strict=True):
        if admission.may_wait(core, request, frame) is None and not is_executed(core, request):
            core.waiting.add(Waiting(request, digest, frame), is_ordered=True)


def is_executed(core: Core, request: Request) -> bool:
    """Whether execution has passed the request's timestamp."""
    if core.tables.recoveries.replica_of(request.client) is not None:
        return not core.tables.recoveries.is_new(request)
    if request.session == 0:
        last = core.tables.last_opening(request.client)
        return last is not None and request.timestamp <= last.timestamp
    row = core.tables.session(request.client, request.session)
    return row is not None and request.timestamp <= row.timestamp


def watch_primary_clock(core: Core, batch: OpenBatch) -> None:
    """Note for how long the primary's times have been behind this replica's clock by more than the skew (TIMER-4).
    What a NEW-VIEW chose does not get here: its times are another primary's."""
    timers = core.timers
    if core.wall - batch.time <= core.settings.clock_skew_ms * MILLISECOND or not batch.time:
        timers.behind_since = None
    elif timers.behind_since is None:
        timers.behind_since = timers.behind_until = core.now
    else:
        timers.behind_until = core.now


def on_vote(core: Core, opened: Opened) -> None:
    """Record a PREPARE or a COMMIT: one a sender and view, the first (B2). Early ones wait for their view."""
    message = opened.message
    assert isinstance(message, Prepare | Commit)
    reason = admission.accept_vote(core, message)
    vote = Vote(message.view, message.digest, opened.frame if core.signs_everything else b"")
    if reason is admission.EARLY:
        keep_early(core, message, vote)
        admission.refuse(core, message, reason)
        return
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    slot = core.log.slot(message.sequence_number)
    votes = slot.prepares if type(message) is Prepare else slot.commits
    present = votes.get(message.replica)
    if present is None:
        votes[message.replica] = vote
        core.touched.add(message.sequence_number)
        reach.voted(core, slot, message)
    elif present.digest != message.digest:
        admission.refuse(core, message, "a second vote for another digest")


def keep_early(core: Core, message: Prepare | Commit, vote: Vote) -> None:
    """A vote for a view that is not entered yet counts when the NEW-VIEW arrives: the newest view a sender (VOTE-1)."""
    slot = core.log.slot(message.sequence_number)
    early = slot.early_prepares if type(message) is Prepare else slot.early_commits
    present = early.get(message.replica)
    if present is None or present.view < vote.view:
        early[message.replica] = vote


def advance(core: Core, slot: Slot) -> None:
    """Move a slot as far as its certificates carry it: the only place that concludes."""
    if core.status is not Status.NORMAL:
        return
    if slot.parked is not None and slot.digest is None:
        reconsider(core, slot)
    if slot.phase is Phase.EMPTY and slot.digest is not None:
        accept_chosen(core, slot)
    if slot.phase is Phase.PRE_PREPARED and core.log.is_prepared(slot):
        become_prepared(core, slot)
    if slot.phase is Phase.PREPARED and core.log.is_committed_local(slot):
        slot.phase = Phase.COMMITTED
        slot.committed = slot.digest
        assert slot.digest is not None
        core.trace("committed", view=core.view, sequence_number=slot.sequence_number, digest=slot.digest)
        decide(core, slot, slot.digest)


def accept_chosen(core: Core, slot: Slot) -> None:
    """A NEW-VIEW chose this slot's digest: it is pre-prepared once the body is here (NV-5). A slot that is executed
    already goes through the phases again for the others, and is not executed again."""
    assert slot.digest is not None
    batch = core.log.batch(slot.digest)
    if batch is None:
        core.missing.setdefault(slot.digest, 0)
        return
    accept(core, slot, batch, b"")


def become_prepared(core: Core, slot: Slot) -> None:
    """prepared(m, v, n, i) holds: into P, on disk, and COMMIT (PREP-1), once the turn's conclusions are drawn."""
    assert slot.digest is not None
    claim = PreparedClaim(slot.sequence_number, slot.digest, core.view, prepared_certificate(core, slot))
    slot.phase = Phase.PREPARED
    core.log.prepared_claims[slot.sequence_number] = claim
    core.persist(PreparedRecord(claim.sequence_number, claim.digest, claim.view, claim.certificate))
    core.trace("prepared", view=core.view, sequence_number=slot.sequence_number, digest=slot.digest)
    core.held_commits.append(Commit(core.view, slot.sequence_number, slot.digest, core.replica_id))
    slot.commits[core.replica_id] = Vote(core.view, slot.digest, b"")


def may_be_undone(core: Core, sequence_number: int, batch: OpenBatch) -> bool:
    """TENT-2: whether a batch may be executed tentatively; one without requests need not be."""
    is_before_checkpoint = sequence_number % core.settings.checkpoint_interval == 0
    return not is_before_checkpoint and bool(batch.requests) and all(request.session for request in batch.requests)


def release_commits(core: Core) -> None:
    """COM-3: the COMMIT of a batch that is answered already, with no other one under way, is held until it can travel
    with the next PRE-PREPARE or PREPARE, though not for long (facts 3.6). All others leave at once."""
    if not core.held_commits:
        return
    if not can_wait(core, core.held_commits[-1]):
        send_commits(core)
        return
    if core.commits_due is None:
        core.commits_due = core.now + core.settings.commit_delay_ms * MILLISECOND
    if core.now >= core.commits_due:
        send_commits(core)


def can_wait(core: Core, commit: Commit) -> bool:
    """Whether nothing is under way behind a batch, and its replies have left, or will when the one before it, whose
    replies have left, commits; and no read waits for it (RO-6)."""
    if core.tentative is None or len(core.reads) or commit.sequence_number != core.log.highest_proposed:
        return False
    if core.tentative.sequence_number == commit.sequence_number:
        return core.tentative.batch.digest == commit.digest  # a new view may have prepared another one
    batch = core.log.batch(commit.digest)
    is_next = core.tentative.sequence_number == commit.sequence_number - 1
    return is_next and batch is not None and may_be_undone(core, commit.sequence_number, batch)


def send_commits(core: Core) -> None:
    """COMMIT (OSDI'99 4.2), to all."""
    for commit in core.held_commits:
        core.broadcast(commit)
    core.held_commits.clear()
    core.commits_due = None


def prepared_certificate(core: Core, slot: Slot) -> tuple[bytes, ...]:
    """The signed frames that prove it to a third party; nothing where MACs are used (facts 2.1)."""
    if not core.signs_everything:
        return ()
    matching = [vote.frame for _, vote in sorted(slot.prepares.items()) if vote.digest == slot.digest]
    return (slot.proposal, *matching[: core.quorums.quorum - 1])


def decide(core: Core, slot: Slot, digest: bytes) -> None:
    """The digest is committed for this sequence number, for good."""
    require(slot.decided in (None, digest), f"one digest is decided for sequence number {slot.sequence_number}")
    if slot.decided is None:
        slot.decided = digest
        core.persist(DecidedRecord(slot.sequence_number, digest))

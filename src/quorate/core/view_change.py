"""View changes by the sets P and Q (OSDI'00 section 4; facts 1.6, 1.7, 2.3 to 2.6)."""

from __future__ import annotations

from quorate.core import admission, epochs, timers
from quorate.core.context import Core, Status
from quorate.core.new_view import Choice, Undecided, compute_new_view
from quorate.core.normal_case import send_commits
from quorate.core.ports import Opened
from quorate.core.quorum import primary_of
from quorate.core.recoveries import AHEAD, OUTDATED
from quorate.errors import AuthenticationFailed, MalformedMessage, require
from quorate.messages.protocol import (
    CheckpointClaim,
    NewView,
    PrePrepare,
    PrePreparedClaim,
    ViewChange,
)
from quorate.messages.records import ViewRecord


def start(core: Core, view: int, reason: str) -> None:
    """Leave the view: accept nothing of it any more, and say what is known here (VC-1)."""
    leave(core, view)
    message = own_view_change(core)
    frame = core.auth.seal(message)
    core.views.view_changes[core.replica_id] = (message, frame)
    core.persist(ViewRecord(view, True, frame))
    core.broadcast_frame(message, frame)
    core.note("view-change", view=view, reason=reason)


def leave(core: Core, view: int) -> None:
    """VC-6: what ends with a view. Its primary forgets what those clients want whose requests it proposed and did not
    get prepared: one of them may be authentic here alone, and would end every view that this replica leads (C1). A
    correct client asks again, asks all, and signs."""
    require(view > core.view, "views only grow")
    send_commits(core)
    if core.is_primary:
        for request, frame in core.log.unprepared_requests():
            core.waiting.forget(request.client)
            if not core.auth.is_signed_request(frame):
                core.doubt(request.client)
    timers.on_view_left(core)
    core.status = Status.VIEW_CHANGE
    core.views.view = view
    core.views.changes += 1
    core.views.pending_new_view = None
    core.parked.clear()


def own_view_change(core: Core) -> ViewChange:
    """VIEW-CHANGE(v, h, C, P, Q, i): C has every checkpoint held here, P and Q what is in the log above h."""
    log = core.log
    return ViewChange(
        core.view,
        log.low_watermark,
        tuple(
            CheckpointClaim(number, held.digest)
            for number, held in sorted(core.checkpoints.held.items())
            if number >= log.low_watermark
        ),
        tuple(claim for _, claim in sorted(log.prepared_claims.items())),
        tuple(
            PrePreparedClaim(number, digest, view)
            for number, views in sorted(log.pre_prepared_claims.items())
            for digest, view in sorted(views.items())
        ),
        core.replica_id,
        core.epoch,
    )


def on_view_change(core: Core, opened: Opened) -> None:
    """Keep the newest VIEW-CHANGE of each sender; `conclude` sees what follows."""
    message = opened.message
    assert isinstance(message, ViewChange)
    reason = admission.accept_view_change(core, message)
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    core.views.view_changes[message.replica] = (message, opened.frame)
    if message.view > core.view:
        core.pace.note_left(message.replica)


def conclude(core: Core) -> None:
    """Draw the conclusions from the VIEW-CHANGEs: join, start the timer (TIMER-2), lead the new view, enter it."""
    join(core)
    if core.status is not Status.VIEW_CHANGE:
        return
    wanted = sum(1 for message, _ in core.views.view_changes.values() if message.view >= core.view)
    is_fetching = core.views.pending_new_view is not None
    if is_fetching:
        core.timers.view_change_deadline = None
    elif wanted >= core.quorums.quorum and core.timers.view_change_deadline is None:
        timers.on_view_wanted(core)
    if core.views.pending_new_view is not None:
        enter_if_possible(core, *core.views.pending_new_view)
    elif primary_of(core.view, core.replica_count) == core.replica_id:
        lead_new_view(core)


def join(core: Core) -> None:
    """VC-5: f + 1 others want views above this replica's: go with the smallest of them, though no timer has expired
    here. f liars alone move nobody, and drag nobody far (B5, B6)."""
    wanted = [
        message.view
        for replica, (message, _) in core.views.view_changes.items()
        if message.view > core.view and replica != core.replica_id
    ]
    if len(wanted) >= core.quorums.weak:
        start(core, min(wanted), "f + 1 others left the view")


def lead_new_view(core: Core) -> None:
    """NV-3: the new primary sends NEW-VIEW once its VIEW-CHANGEs determine the choice, and it holds the checkpoint and
    every body chosen (A3)."""
    present = [entry for _, entry in sorted(core.views.view_changes.items()) if entry[0].view == core.view]
    if len(present) < core.quorums.quorum:
        return
    choice = compute_new_view([message for message, _ in present], core.quorums, core.log.window)
    if isinstance(choice, Undecided) or not holds_checkpoint(core, choice.checkpoint):
        return
    lacking = [entry.digest for entry in choice.chosen if core.log.batch(entry.digest) is None]
    for digest in lacking:
        core.missing.setdefault(digest, 0)
    if lacking:
        return
    message = NewView(
        core.view, tuple(frame for _, frame in present), choice.checkpoint, choice.chosen, core.replica_id, core.epoch
    )
    proposals = own_proposals(core, choice) if core.signs_everything else ()
    frame = core.auth.seal(message, proposals)
    enter(core, message, choice, frame, proposals)
    core.broadcast_frame(message, frame)


def own_proposals(core: Core, choice: Choice) -> tuple[bytes, ...]:
    """With everything signed, a PRE-PREPARE for each element goes along: the next certificates need them."""
    return tuple(
        core.auth.seal(PrePrepare(core.view, entry.sequence_number, entry.digest, core.replica_id))
        for entry in choice.chosen
    )


def on_new_view(core: Core, opened: Opened) -> None:
    """NV-4: a backup examines a NEW-VIEW: every VIEW-CHANGE in it, and the choice, which it computes itself. A wrong
    one convicts the new primary: on to the next view (P15, P16)."""
    message = opened.message
    assert isinstance(message, NewView)
    reason = admission.accept_new_view(core, message)
    if reason is not None:
        admission.refuse(core, message, reason)
        return
    if not are_proposals(core, message, opened.envelope.attachments):
        # They are not under the signature of the NEW-VIEW: whoever passed it on may have changed them.
        admission.refuse(core, message, "what travels beside it does not match its choice")
        return
    examined = examine(core, message)
    if isinstance(examined, str):
        admission.refuse(core, message, examined)
        if message.view == core.view and examined != AHEAD:
            start(core, core.view + 1, f"the new primary's NEW-VIEW was wrong: {examined}")
        return
    if message.view > core.view:
        leave(core, message.view)
    core.views.pending_new_view = (message, examined, opened.frame, opened.envelope.attachments)
    conclude(core)  # now: the first PRE-PREPAREs of the new view may be in the same turn, behind it


def examine(core: Core, message: NewView) -> Choice | str:
    """The choice of a NEW-VIEW that holds, or the reason why it does not."""
    view_changes = open_view_changes(core, message)
    if isinstance(view_changes, str):
        return view_changes
    choice = compute_new_view(view_changes, core.quorums, core.log.window)
    if isinstance(choice, Undecided):
        return "its VIEW-CHANGEs determine no choice"
    if (message.checkpoint, message.chosen) != choice:
        return "its choice does not follow from its VIEW-CHANGEs"
    return choice


def open_view_changes(core: Core, message: NewView) -> list[ViewChange] | str:
    """The VIEW-CHANGEs inside a NEW-VIEW: authentic, for its view, of distinct senders, with possible contents."""
    view_changes: dict[int, ViewChange] = {}
    for frame in message.view_changes:
        try:
            opened = core.auth.open(frame)
        except (AuthenticationFailed, MalformedMessage):
            return "a VIEW-CHANGE in it is not authentic"
        inner = opened.message
        if not isinstance(inner, ViewChange) or inner.view != message.view or inner.replica in view_changes:
            return "its VIEW-CHANGEs are not of distinct senders for its view"
        reason = admission.accept_frame(opened) or admission.possible_view_change(core, inner)
        if reason in (AHEAD, OUTDATED):
            return reason  # this replica lags, or the new primary does
        if reason is not None:
            return f"a VIEW-CHANGE in it is impossible: {reason}"
        view_changes[inner.replica] = inner
    return list(view_changes.values())


def are_proposals(core: Core, message: NewView, proposals: tuple[bytes, ...]) -> bool:
    """Whether the signed PRE-PREPAREs beside a NEW-VIEW are those of its choice, in order; with MACs there are none."""
    if not core.signs_everything:
        return not proposals
    if len(proposals) != len(message.chosen):
        return False
    for frame, entry in zip(proposals, message.chosen, strict=True):
        try:
            opened = core.auth.open(frame)
        except (AuthenticationFailed, MalformedMessage):
            return False
        expected = PrePrepare(message.view, entry.sequence_number, entry.digest, message.replica)
        if opened.message != expected or opened.envelope.attachments:
            return False
    return True


def holds_checkpoint(core: Core, claim: CheckpointClaim) -> bool:
    """Whether this replica has the checkpoint, or a later stable one."""
    held = core.checkpoints.held.get(claim.sequence_number)
    return claim.sequence_number < core.log.low_watermark or (held is not None and held.digest == claim.digest)


def enter_if_possible(core: Core, message: NewView, choice: Choice, frame: bytes, proposals: tuple[bytes, ...]) -> None:
    """NV-6: a replica that lacks the NEW-VIEW's checkpoint does not enter until it has it."""
    if not holds_checkpoint(core, choice.checkpoint):
        return
    if epochs.are_present(core, message):
        enter(core, message, choice, frame, proposals)
    else:
        start(core, core.view + 1, "a VIEW-CHANGE of its NEW-VIEW is of another recovery epoch by now")


def enter(core: Core, message: NewView, choice: Choice, frame: bytes, proposals: tuple[bytes, ...]) -> None:
    """Enter the new view: the choice is pre-prepared, early votes count, what waits is ordered anew (NV-5).

    The checkpoint that it starts from is believed by f + 1. The low watermark does not move for that: it moves with a
    quorum of CHECKPOINTs as ever (CP-3), so f + 1 correct replicas hold whatever a correct one begins at.
    """
    require(message.view == core.view and core.status is Status.VIEW_CHANGE, "a view is entered from its view change")
    covered = choice.covered
    core.status = Status.NORMAL
    core.views.new_view_frame = frame
    core.views.epochs = epochs.epochs_of(message)
    core.views.pending_new_view = None
    core.views.view_changes = {
        replica: entry for replica, entry in core.views.view_changes.items() if entry[0].view > core.view
    }
    core.persist(ViewRecord(core.view, False, frame))
    for slot in core.log.slots.values():
        slot.enter_view(core.view)
    core.log.highest_proposed = 0
    choose(core, choice, proposals)
    core.touched.update(core.log.admit_chosen())
    core.next_sequence_number = max(covered, core.log.low_watermark, core.last_executed) + 1
    core.waiting.reorder_all()
    timers.on_view_entered(core)
    core.note("entered-view", view=core.view, primary=core.primary)
    if not core.is_primary:
        relay_waiting(core)


def choose(core: Core, choice: Choice, proposals: tuple[bytes, ...]) -> None:
    """NV-7: what the NEW-VIEW speaks of is fixed for this view. Each chosen slot gets its digest, and
    `normal_case.advance` pre-prepares it; no PRE-PREPARE may give its number, or one below, to something else."""
    signed = proposals if core.signs_everything else (b"",) * len(choice.chosen)
    core.log.choose(
        choice.covered,
        {entry.sequence_number: (entry.digest, frame) for entry, frame in zip(choice.chosen, signed, strict=True)},
    )


def relay_waiting(core: Core) -> None:
    """Pass what waits to the new primary: its client may not know of the view yet, or want it to end too. A batch of it
    at once; the rest when half of the primary's time is up, as far as it is not ordered then (SEP-4)."""
    waiting, count = core.waiting.oldest_first(), core.settings.batch_requests_max
    for one in waiting[:count]:
        core.forward(core.primary, one.request, one.frame)
    for one in waiting[count:]:
        core.waiting.keep_back(one.request)

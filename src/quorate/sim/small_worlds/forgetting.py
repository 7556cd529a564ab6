"""What a state is reduced to.

Whatever was sent once stays under way: it may come late, again, or never. So a replica that forgets a message of
another, without having concluded anything from it, is where it was before the message came, and the message can come
again. A state is therefore kept without the votes, VIEW-CHANGEs, claims and waiting requests that are only counted so
far. What was concluded (accepted, prepared, committed, decided, executed, the view, P and Q, bodies) stays.

Forgetting can only add runs (a traitor may be believed two votes, one after the other, of which a real replica takes
one). It takes none away; `docs/SMALL-WORLDS.md` says why, `tests/sim/test_small_worlds_reductions.py` checks it.
"""

from __future__ import annotations

from typing import Final

from quorate.core.context import PLACES_PER_SESSION, Core, Status, Timers
from quorate.core.log import Phase, Slot
from quorate.core.vouchers import Target, Vouchers
from quorate.core.waiting import WaitingRequests

NEVER: Final = 2**62
"""A time at which nothing falls due."""


def stop_clock(core: Core) -> None:
    """Time belongs to the adversary: no deadline is kept, each may come whenever it says (`let_time_pass`)."""
    timers = core.timers = Timers(core.timers.base, core.timers.limit)
    timers.status_due = timers.status_forced = NEVER
    core.now = 0
    core.outbox = []
    core.incidents.clear()
    core.views.changes = 0
    core.answered_status.clear()
    core.answered_bytes.clear()


def let_time_pass(core: Core) -> None:
    """The replica loses its patience: with the primary of its view (for whatever it says of the clocks, TIMER-4), or
    with the one that it moves to. Whether a timer could run is not asked."""
    timers = core.timers
    if core.status is Status.NORMAL:
        timers.behind_since, timers.behind_until = 0, timers.timeout
    else:
        timers.view_change_deadline = 0


def forget(core: Core) -> None:
    """Leave out what is only counted so far, and can come again; and what can change nothing any more."""
    stop_clock(core)
    _forget_views(core)
    _forget_votes(core)
    own = core.replica_id
    checkpoints = core.checkpoints
    checkpoints.votes = {n: {own: votes[own]} for n, votes in checkpoints.votes.items() if own in votes}
    checkpoints.vouchers = _only(own, checkpoints.vouchers)
    checkpoints.stable_certificate = ()
    if not core.is_primary:
        settings = core.settings
        core.waiting = WaitingRequests(
            settings.waiting_requests_max,
            PLACES_PER_SESSION * settings.sessions_per_client,
            settings.waiting_bytes_per_client_max,
        )
    core.missing = dict.fromkeys(core.missing, 1)
    core.peer_marks.clear()
    core.pins.clear()


def _only(replica: int, vouchers: Vouchers) -> Vouchers:
    kept = Vouchers()
    if replica in vouchers.named:
        kept.named = {replica: vouchers.named[replica]}
        targets = [Target(*item) for item in kept.named[replica].items()]
        kept.signers = {target: {replica: vouchers.signers[target][replica]} for target in targets}
    return kept


def _forget_views(core: Core) -> None:
    views = core.views
    own = views.view_changes.get(core.replica_id)
    views.view_changes = {core.replica_id: own} if own is not None and own[0].view >= core.view else {}
    views.new_view_frame = b""


def _forget_votes(core: Core) -> None:
    """Of votes the own ones are kept, and only where they can count: in the view that the replica is in."""
    own = core.replica_id if core.status is Status.NORMAL else -1
    for slot in core.log.slots.values():
        slot.prepares = {sender: vote for sender, vote in slot.prepares.items() if sender == own}
        slot.commits = {sender: vote for sender, vote in slot.commits.items() if sender == own}
        slot.early_prepares = {}
        slot.early_commits = {}
        slot.claims = {}
    core.log.slots = {number: slot for number, slot in core.log.slots.items() if not _is_empty(slot)}


def _is_empty(slot: Slot) -> bool:
    return slot.phase is Phase.EMPTY and slot.digest is None and slot.decided is None and slot.parked is None

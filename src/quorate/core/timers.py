"""When a replica gives up on a primary (OSDI'99 4.4, 4.5.2; facts 1.7). Deadlines are data; nobody sleeps here.

TIMER-1  In a view, the timer runs for the oldest waiting request; without one, for the lowest slot that is proposed
         and not executed. Only its execution restarts it (P7).
TIMER-2  In a view change it starts when a quorum wants the view, not when the own VIEW-CHANGE is sent.
TIMER-3  A view that executed nothing new doubles the timeout, up to a cap; so does having left a view long before a
         quorum did. Time spent in progress halves it, down to its base (P9).
TIMER-4  A primary whose proposed times stay behind this replica's clock by more than the skew for a timeout, from one
         proposal to a later one, is suspected too (P12).
TIMER-5  So is one that is merely slow: see `core/pace.py` (P8).
TIMER-6, TIMER-7  So is one that does not tell all replicas the same: see `core/reach.py` (P2, B9).
"""

from __future__ import annotations

from quorate.core.context import Core, Status


def on_view_left(core: Core) -> None:
    """The view is left: unless something new was executed in it, the next one is given twice the time."""
    timers = core.timers
    if timers.progress_since is None:
        _double(core)
    timers.left_at = core.now
    timers.view_change_deadline = None
    timers.progress_since = None
    timers.behind_since = None
    timers.timed = None
    core.pace.begin(core.now)
    core.reach.begin()


def on_view_wanted(core: Core) -> None:
    """A quorum wants the view (TIMER-2). Who waited for that for longer than its timeout left too early: perhaps it has
    restarted, and the others have learnt to wait longer. If it were needed for a quorum and went on so, every view
    would execute a little and then stand still until the others leave it too."""
    timers = core.timers
    if timers.left_at is not None and core.now > timers.left_at + timers.timeout:
        _double(core)
    timers.view_change_deadline = core.now + timers.timeout


def _double(core: Core) -> None:
    core.timers.timeout = min(2 * core.timers.timeout, core.timers.limit)


def on_view_entered(core: Core) -> None:
    """A new view: its timer starts with what waits."""
    core.timers.view_change_deadline = None
    core.timers.progress_since = None
    core.timers.behind_since = None
    core.timers.timed = None


def on_progress(core: Core) -> None:
    """A request was executed that was not before."""
    timers = core.timers
    if core.status is not Status.NORMAL:
        return
    if timers.progress_since is None:
        timers.progress_since = core.now
    elif timers.timeout > timers.base and core.now - timers.progress_since >= timers.timeout:
        timers.timeout = max(timers.base, timers.timeout // 2)
        timers.progress_since = core.now


def ask_soon(core: Core) -> None:
    """This replica may lag: let it say soon what it has, even if it thinks that it lacks nothing."""
    due = core.now + core.status_interval
    core.timers.status_due = min(core.timers.status_due, due)
    core.timers.status_forced = min(core.timers.status_forced, due)


def restate(core: Core) -> None:
    """Let the timer run for what it is to run for now (TIMER-1)."""
    pending = what_waits(core) if core.status is Status.NORMAL and core.transfer is None else None
    if pending != core.timers.timed:
        core.timers.timed = pending
        core.timers.started = core.now


def what_waits(core: Core) -> object:
    """The oldest waiting request, else the next slot if a later one or itself is proposed, or if a recovery point lies
    above (REC-4, P19), else None."""
    oldest = core.waiting.oldest()
    if oldest is not None:
        return oldest.digest
    if max(core.parked, default=0) > core.last_executed or core.log.highest_proposed > core.last_executed:
        return core.last_executed + 1
    if core.tables.recoveries.awaited(core.settings) > core.last_executed:
        return core.last_executed + 1
    return None


def expired(core: Core) -> str | None:
    """Why the view has to be left now, or None."""
    timers = core.timers
    if core.status is Status.VIEW_CHANGE:
        if timers.view_change_deadline is not None and core.now >= timers.view_change_deadline:
            return "no NEW-VIEW came in time"
        return None
    if core.status is not Status.NORMAL:
        return None
    if timers.timed is not None and core.now >= timers.started + timers.timeout:
        return "the oldest request was not executed in time"
    if timers.behind_since is not None and timers.behind_until >= timers.behind_since + timers.timeout:
        return "the primary's clock stays behind"
    if core.pace.is_slow:
        return "the primary proposes late"
    if core.reach.is_two_faced:
        return "the primary told others something else"
    if core.reach.is_unheard:
        return "what the primary proposes to others does not reach this replica"
    return None


def deadlines(core: Core) -> list[int]:
    """All moments at which something falls due, in microseconds of the monotonic clock."""
    timers = core.timers
    due = [timers.status_due]
    if core.keys.due is not None:
        due.append(core.keys.due)
    if core.checkpoints.hashing is not None:
        due.append(core.now)
    if core.commits_due is not None:
        due.append(core.commits_due)
    if core.transfer is not None:
        due.append(core.now + min([core.status_interval, *core.transfer.pauses(core.now)]))
    if core.status is Status.VIEW_CHANGE and timers.view_change_deadline is not None:
        due.append(timers.view_change_deadline)
    if core.status is Status.NORMAL:
        if timers.timed is not None:
            due.append(timers.started + timers.timeout)
            if core.waiting.has_kept_back and not core.is_primary:
                due.append(timers.started + timers.timeout // 2)
        for number in core.parked:
            parked = core.log.slots[number].parked
            if parked is not None and parked.reconsider_at is not None:
                due.append(parked.reconsider_at)
    return due

"""Whether the primary proposes the same to this backup as to others (TIMER-6, TIMER-7; P2, B9, P14).

Where f + 1 others have sent a PREPARE for a digest, one of them is correct: the primary of this view did propose it, or
its NEW-VIEW chose it. A correct primary proposes the same to all, at the same time.

TIMER-6  A primary that proposed another digest to this backup has lied to it or to them, and is left at once.
TIMER-7  So is one for whose proposals this backup waits a good part of the time, while others have them: they are not
         authentic here, or do not come. Not for what a message may be late by itself (SEP-3), nor for one long trouble;
         only if f others lack proposals too, or have left; and not if f + 1 other primaries were left for that lately:
         then this backup hears badly.

A backup that waits asks by STATUS, and learns from the others what was decided (STAT-1), which takes a while. Where
each batch reaches a quorum, but each time another one, no time-out ends that, though nothing goes on but by STATUS.
Once a backup has left, its PREPAREs are missing; so who has left the view is taken for one more that accepted.
"""

from __future__ import annotations

from typing import Final

from quorate.core import separate
from quorate.core.context import Core
from quorate.core.context import Status as Mode
from quorate.core.log import Phase, Slot
from quorate.core.reached import Vouched
from quorate.messages.protocol import Commit, Prepare, SlotFlag, Status

SHARE: Final = 8
"""A backup may wait for an eighth of the time,"""
PATIENCE: Final = 2
"""and for half a view-change timeout at once;"""
LONGEST: Final = 2
"""so many status intervals of each time that it does not hear the primary."""


def voted(core: Core, slot: Slot, vote: Prepare | Commit) -> None:
    """A vote was recorded: perhaps f + 1 others have by now what this backup has not, or something else."""
    number, digest, vouched = slot.sequence_number, vote.digest, core.reach.vouched
    if slot.digest == digest or type(vote) is not Prepare or number in vouched or number <= core.last_executed:
        return
    if core.is_primary or core.quorums.faults == 0:
        return
    if len(others_for(core, slot, digest)) < core.quorums.weak:
        return
    if slot.digest is not None:
        core.reach.is_two_faced = True
        return
    for past in [past for past in vouched if past <= core.last_executed]:
        del vouched[past]
    vouched[number] = Vouched(digest, core.now)
    if slot.parked is not None:
        told(core, number, slot.parked.digest)


def others_for(core: Core, slot: Slot, digest: bytes) -> set[int]:
    """Who else accepted this digest, or has left the view: f + 1 that had left it would take this backup along."""
    voters = {sender for sender, vote in slot.prepares.items() if vote.digest == digest}
    return (voters | leavers(core)) - {core.replica_id}


def leavers(core: Core) -> set[int]:
    """Who has left the view."""
    return {sender for sender, (message, _) in core.views.view_changes.items() if message.view > core.view}


def heard_status(core: Core, message: Status) -> None:
    """Another backup says what it has. Perhaps it lacks what was proposed here, and prepared since."""
    if message.view != core.view or message.is_changing_view or core.status is not Mode.NORMAL:
        return
    first = message.low_watermark + 1
    for sequence_number in range(max(first, message.last_executed + 1), core.log.highest_proposed + 1):
        slot, at = core.log.slots.get(sequence_number), sequence_number - first
        flags = message.slots[at] if at < len(message.slots) else 0
        if slot is not None and slot.phase >= Phase.PREPARED and not flags & SlotFlag.PRE_PREPARED:
            core.reach.lacking[message.replica] = core.now
            return


def settle(core: Core) -> None:
    """Ask for a proposal once it has been waited for long enough."""
    due = ask_at(core)
    if due is not None and core.now >= due:
        core.reach.asked = max(core.reach.vouched)
        core.timers.status_due = core.timers.status_forced = core.now


def ask_at(core: Core) -> int | None:
    """When to ask for what was not asked for yet; what is asked for covers all numbers up to then."""
    if not core.reach.vouched:
        return None
    known = max(core.reach.asked, core.last_executed)
    unheard = core.reach.vouched.keys() - core.parked
    since = [core.reach.vouched[number].since for number in unheard if number > known]
    return min(since) + separate.patience(core) if since else None


def told(core: Core, sequence_number: int, digest: bytes) -> None:
    """The primary's proposal came here too. What it holds may still lack."""
    vouched = core.reach.vouched.get(sequence_number)
    if vouched is not None and vouched.digest != digest:
        core.reach.is_two_faced = True


def accepted(core: Core, sequence_number: int, excused: int) -> int:
    """The primary's proposal was accepted here, after the time that is *excused* as its requests may have been late.
    Returns since when f + 1 others have had it, or now."""
    vouched = core.reach.vouched.pop(sequence_number, None)
    if vouched is None:
        core.reach.lasted = 0
        return core.now
    end_wait(core, vouched.since + excused)
    return vouched.since


def executed(core: Core, sequence_number: int) -> None:
    """A batch is executed for good: its proposal is waited for no more."""
    vouched = core.reach.vouched.pop(sequence_number, None)
    if vouched is not None:
        end_wait(core, vouched.since)


def is_awaited(core: Core) -> bool:
    """Whether others have a proposal that this backup lacks."""
    return max(core.reach.vouched, default=0) > core.last_executed


def end_wait(core: Core, since: int) -> None:
    """Count what this backup has waited: for several numbers at once, it has waited once. Until a proposal comes in
    time it is one trouble, of which no more is counted than what asking takes, unless others have left for the like."""
    reach = core.reach
    if core.now <= since + separate.patience(core):
        return
    passed, waited = core.now - reach.counted_until, core.now - max(since, reach.counted_until)
    if not leavers(core):
        waited = min(waited, LONGEST * core.status_interval - reach.lasted)
    reach.lasted += waited
    reach.waited = max(0, reach.waited - passed // SHARE) + waited
    reach.counted_until = core.now
    if reach.waited >= core.timers.timeout // PATIENCE and is_to_blame(core):
        reach.is_unheard = True
        reach.left[core.primary] = core.now


def is_to_blame(core: Core) -> bool:
    """Whether that is the primary's doing: others lack proposals too, and primaries before it were heard."""
    reach = core.reach
    lacking = {replica for replica, at in reach.lacking.items() if core.now < at + core.timers.timeout}
    left = [primary for primary, at in reach.left.items() if core.now < at + core.timers.limit]
    others = len(set(left) - {core.primary})
    return len(lacking | leavers(core)) >= core.quorums.faults and others < core.quorums.weak

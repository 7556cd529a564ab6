"""Whether the primary proposes the same to this backup as to others (TIMER-6, TIMER-7; P2, B9, P14).

Where f + 1 others have sent a PREPARE for a digest, one of them is correct: the primary of this view did propose it, or
its NEW-VIEW chose it. A correct primary proposes the same to all, at the same time.

TIMER-6  A primary that proposed another digest to this backup, or two, has lied to it or to them, and is left at once.
TIMER-7  So is one for whose proposals this backup waits a good part of the time, while others have them: they are not
         authentic here, or do not come. Not for what a message may be late by itself (SEP-3); nor for one long trouble,
         unless another has left; only if f others lack proposals again and again too, or have left; and not if f + 1
         other primaries were left for that lately: then this backup hears badly.

A backup that waits asks by STATUS, and learns from the others what was decided (STAT-1), which takes a while. Where
each batch reaches a quorum, but each time another one, no time-out ends that, though nothing goes on but by STATUS.
Once a backup has left, its PREPAREs are missing; so who has left the view is taken for one more that accepted.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from quorate.core import separate
from quorate.core.context import Core
from quorate.core.context import Status as Mode
from quorate.core.log import Phase, Slot
from quorate.core.reached import Vouched
from quorate.messages.protocol import Commit, Prepare, PrePrepare, SlotFlag, Status

SHARE: Final = 4
"""A backup may wait for a quarter of the time: where each of three waits in turn, it is a third;"""
PATIENCE: Final = 2
"""for half a view-change timeout at once;"""
LONGEST: Final = 2
"""so many status intervals of each time that it does not hear the primary."""
LACKS: Final = 3
"""Another one lacks proposals if it has said so as often within a view-change timeout."""


def voted(core: Core, slot: Slot, vote: Prepare | Commit) -> None:
    """A vote was recorded: perhaps f + 1 others have by now what this backup has not, or something else."""
    number, digest, vouched = slot.sequence_number, vote.digest, core.reach.vouched
    if slot.digest == digest or type(vote) is not Prepare or number in vouched or number <= core.last_executed:
        return
    if core.is_primary or core.quorums.faults == 0:
        return
    if len(others_for(core, slot, digest)) < core.quorums.weak:
        return
    if told(slot) - {digest}:
        core.reach.is_two_faced = True
        return
    for past in [past for past in vouched if past <= core.last_executed]:
        del vouched[past]
    vouched[number] = Vouched(digest, core.now)


def told(slot: Slot | None) -> set[bytes]:
    """What was proposed here for this number, accepted or parked."""
    digests = () if slot is None else (slot.digest, None if slot.parked is None else slot.parked.digest)
    return {digest for digest in digests if digest is not None}


def others_for(core: Core, slot: Slot, digest: bytes) -> set[int]:
    """Who else accepted this digest, or has left the view: f + 1 that had left it would take this backup along."""
    voters = {sender for sender, vote in slot.prepares.items() if vote.digest == digest}
    return (voters | leavers(core)) - {core.replica_id}


def leavers(core: Core) -> set[int]:
    """Who has left the view."""
    return {sender for sender, (message, _) in core.views.view_changes.items() if message.view > core.view}


def heard_status(core: Core, message: Status) -> None:
    """Another one says what it has. Perhaps it is a backup that lacks what was proposed here, and prepared since."""
    if message.view != core.view or message.is_changing_view or core.status is not Mode.NORMAL:
        return
    first = message.low_watermark + 1
    for sequence_number in range(max(first, message.last_executed + 1), core.log.highest_proposed + 1):
        slot, at = core.log.slots.get(sequence_number), sequence_number - first
        flags = message.slots[at] if at < len(message.slots) else 0
        if slot is not None and slot.phase >= Phase.PREPARED and not flags & SlotFlag.PRE_PREPARED:
            if message.replica != core.primary:
                core.reach.lacking.setdefault(message.replica, deque(maxlen=LACKS)).append(core.now)
            return


def asks(core: Core) -> bool:
    """Whether it is time to ask for a proposal that was waited for long enough."""
    due = ask_at(core)
    if due is None or core.now < due:
        return False
    core.reach.asked, core.reach.asked_at = max(core.reach.vouched), core.now
    return True


def ask_at(core: Core) -> int | None:
    """When to ask for what was not asked for yet: once a status interval, for all numbers up to then."""
    reach = core.reach
    if not reach.vouched:
        return None
    known = max(reach.asked, core.last_executed)
    since = [entry.since for number, entry in reach.vouched.items() if number > known]
    return max(min(since) + separate.patience(core), reach.asked_at + core.status_interval) if since else None


def proposed(core: Core, message: PrePrepare) -> None:
    """The primary of this view has proposed this digest here, whatever comes of it."""
    known, vouched = told(core.log.slots.get(message.sequence_number)), core.reach.vouched.get(message.sequence_number)
    if vouched is not None:
        known.add(vouched.digest)
    if known - {message.digest} and core.quorums.faults:
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
    limit = core.timers.timeout // PATIENCE
    reach.waited = min(limit, max(0, reach.waited - passed // SHARE) + waited)
    reach.counted_until = core.now
    if reach.waited == limit and is_to_blame(core):
        reach.is_unheard = True
        reach.left[core.primary] = core.now


def is_to_blame(core: Core) -> bool:
    """Whether that is the primary's doing: others lack proposals too, and primaries before it were heard."""
    reach = core.reach
    lately = core.now - core.timers.timeout
    lacking = {replica for replica, at in reach.lacking.items() if len(at) == LACKS and at[0] > lately}
    left = [primary for primary, at in reach.left.items() if core.now < at + core.timers.limit]
    others = len(set(left) - {core.primary})
    return len(lacking | leavers(core)) >= core.quorums.faults and others < core.quorums.weak

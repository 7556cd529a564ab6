"""Session keys and their refresh (facts 3.8; docs/RECOVERY.md). What the keys are is the authenticator's business.

The old keys die at once, at the sender when it says NEW-KEY and at a receiver when it takes it. What was on its way is
lost, and repeated as anything that is lost.
"""

from __future__ import annotations

from typing import Final

from quorate.core import admission, answers
from quorate.core.context import MILLISECOND, Core
from quorate.core.log import Phase, Slot
from quorate.core.ports import Opened
from quorate.errors import AuthenticationFailed, require
from quorate.messages.protocol import NewKey
from quorate.messages.records import KeyRecord

SECRET_BYTES: Final = 32


def settle(core: Core) -> None:
    """Refresh the keys when that is due: where they have a period, for the first time when the replica starts, as it
    does not know whose keys are new, and is told so by whoever answers."""
    keys = core.keys
    is_first = keys.due is None and core.settings.key_refresh_ms > 0
    is_due = keys.due is not None and core.now >= keys.due
    if core.entropy is not None and (is_first or is_due):
        refresh(core)


def refresh(core: Core) -> None:
    """KEY-2: draw new keys and say so, with a counter above all earlier ones: the clock's time where that is."""
    keys = core.keys
    require(core.entropy is not None, "a replica that refreshes its keys has randomness")
    assert core.entropy is not None
    period = core.settings.key_refresh_ms * MILLISECOND
    keys.due = core.now + period if period else None
    keys.counter = max(core.wall, keys.counter + 1)
    half = core.auth.refresh(core.entropy(SECRET_BYTES))
    core.persist(KeyRecord(keys.counter))
    message = NewKey(keys.counter, half, core.replica_id)
    keys.said = (message, core.broadcast(message))
    forget_unfinished(core)
    core.note("keys-refreshed", counter=keys.counter)


def forget_unfinished(core: Core) -> None:
    """KEY-3: votes and claims that came under the old keys are no longer believed, but for those of a certificate that
    is complete. Signatures do not depend on session keys."""
    if core.signs_everything:
        return
    for number, slot in core.log.slots.items():
        for sender in range(core.replica_count):
            if sender != core.replica_id:
                forget_votes(slot, sender)
        slot.parked = None
        core.parked.discard(number)
    core.reach.vouched.clear()


def forget_votes(slot: Slot, sender: int) -> None:
    """What this sender said of a slot, where nothing was concluded from it yet."""
    if slot.phase < Phase.PREPARED:
        slot.prepares.pop(sender, None)
    if slot.phase < Phase.COMMITTED:
        slot.commits.pop(sender, None)
    slot.early_prepares.pop(sender, None)
    slot.early_commits.pop(sender, None)
    slot.claims.pop(sender, None)


def accept(core: Core, message: NewKey) -> str | None:
    """KEY-1: a NEW-KEY is taken if its counter is above that of its sender's last one. One in the own name is not: it
    only says that an earlier life got that far."""
    if message.replica == core.replica_id:
        return admission.OWN
    known = core.keys.known.get(message.replica)
    if known is not None and message.counter <= known[0].counter:
        return admission.KNOWN if message.counter == known[0].counter else admission.OLDER
    return None


def on_new_key(core: Core, opened: Opened) -> None:
    """Take another replica's new keys, and answer with the own ones, which it may not know (KEY-4)."""
    message = opened.message
    assert isinstance(message, NewKey)
    reason = accept(core, message)
    if reason is None:
        reason = learn(core, message, opened.frame)
    elif reason is admission.OLDER:
        answer(core, message.replica, core.keys.known[message.replica])
    elif reason is admission.OWN and message.counter > core.keys.counter and core.entropy is not None:
        # An earlier life, of which nothing was kept, got further: the others listen to nothing below.
        core.keys.counter = message.counter
        refresh(core)
    if reason is not None:
        admission.refuse(core, message, reason)
    elif core.keys.said is not None:
        answer(core, message.replica, core.keys.said)


def answer(core: Core, peer: int, said: tuple[NewKey, bytes]) -> None:
    """Tell a peer of a NEW-KEY, as far as its allowance goes (B21)."""
    message, frame = said
    if frame and answers.may_answer(core, peer):
        answers.charge(core, peer, 1, len(frame))
        core.forward(peer, message, frame)


def learn(core: Core, message: NewKey, frame: bytes) -> str | None:
    """Go by the sender's new keys; what it said under the old ones, and is part of nothing yet, does not count. Without
    a *frame* the half was in a recovery request."""
    try:
        core.auth.learn(message.replica, message.half)
    except AuthenticationFailed:
        return "no key follows from it"
    core.keys.known[message.replica] = (message, frame)
    if not core.signs_everything:
        for slot in core.log.slots.values():
            forget_votes(slot, message.replica)
    return None


def take(core: Core, replica: int, counter: int, half: bytes) -> None:
    """Go by the half in a recovery request that was executed, unless a newer one of that replica is known."""
    known = core.keys.known.get(replica)
    if known is None or known[0].counter < counter:
        learn(core, NewKey(counter, half, replica), b"")


def repeat(core: Core) -> None:
    """KEY-4: NEW-KEY goes along with STATUS: who was away or started again has to know it to believe anything."""
    if core.keys.said is not None:
        core.broadcast_frame(*core.keys.said)

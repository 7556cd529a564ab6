"""Recovery epochs (decisions, old signatures; docs/RECOVERY.md): what a replica signed about its votes before it
recovered, perhaps while it was broken into, does not outlive its recovery."""

from __future__ import annotations

from quorate.core import session_keys
from quorate.core.context import Core, Status
from quorate.core.recoveries import recovery_point
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import NewView, ViewChange
from quorate.messages.recoveries import Recovery


def rise(core: Core, row: Recovery) -> None:
    """EPOCH-2: a replica recovered, as was executed or fetched here: nothing that it signed in older epochs is kept,
    and its session keys are the new ones."""
    replica = row.replica
    if replica == core.replica_id:
        return
    view_change = core.views.view_changes.get(replica)
    if view_change is not None and view_change[0].epoch != row.epoch:
        del core.views.view_changes[replica]
    for votes in core.checkpoints.votes.values():
        vote = votes.get(replica)
        if vote is not None and vote[0].epoch != row.epoch:
            del votes[replica]
    core.checkpoints.vouchers.forget(replica)
    session_keys.take(core, replica, row.counter, row.half)
    core.note("replica-recovers", of=replica, sequence_number=row.epoch)


def rise_to_fetched(core: Core, before: dict[int, Recovery]) -> None:
    """The same, for all that recovered in what a fetched state has passed."""
    for replica, row in sorted(core.tables.recoveries.rows.items()):
        if before.get(replica) != row:
            rise(core, row)


def epochs_of(message: NewView) -> dict[int, int]:
    """Whose VIEW-CHANGEs a NEW-VIEW that was examined carries, and of which recovery epochs."""
    inner = [decode(decode_envelope(frame).payload) for frame in message.view_changes]
    return {one.replica: one.epoch for one in inner if isinstance(one, ViewChange)}


def are_present(core: Core, message: NewView) -> bool:
    """EPOCH-3: whether the VIEW-CHANGEs of a NEW-VIEW that was examined some time ago still count."""
    epoch_of = core.tables.recoveries.epoch_of
    return all(epoch == epoch_of(replica) for replica, epoch in epochs_of(message).items())


def who_is_kept_out(core: Core) -> int | None:
    """EPOCH-5: a replica whose recovery point is executed here, and that cannot enter this view, as its NEW-VIEW has a
    VIEW-CHANGE of its earlier life: nobody enters by that any more."""
    if core.status is not Status.NORMAL:
        return None
    for replica, row in core.tables.recoveries.rows.items():
        is_old = core.views.epochs.get(replica, row.epoch) != row.epoch
        if is_old and recovery_point(row.epoch, core.settings) <= core.last_executed:
            return replica
    return None

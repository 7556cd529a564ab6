"""One replica: the dispatch table and the order in which conclusions are drawn. Wiring; no rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from quorate.config import ClusterConfiguration
from quorate.core import (
    admission,
    backup,
    checkpoints,
    epochs,
    execution,
    invariants,
    normal_case,
    reach,
    reads,
    recovery,
    restart,
    retransmission,
    scrub,
    separate,
    session_keys,
    state_transfer,
    timers,
    view_change,
)
from quorate.core.context import Core, Status
from quorate.core.effects import Effect
from quorate.core.ports import Authenticator, Entropy, Opened, Service
from quorate.core.report import ReplicaReport
from quorate.messages import protocol
from quorate.messages.reads import Read
from quorate.messages.records import Record

Handler = Callable[[Core, Opened], None]

_ALWAYS: Final[dict[type, Handler]] = {
    protocol.Checkpoint: checkpoints.on_checkpoint,
    protocol.ViewChange: view_change.on_view_change,
    protocol.NewView: view_change.on_new_view,
    protocol.Status: retransmission.on_status,
    protocol.Decided: retransmission.on_decided,
    protocol.FetchBatches: retransmission.on_fetch_batches,
    protocol.Batches: retransmission.on_batches,
    protocol.FetchState: state_transfer.on_fetch_state,
    protocol.StatePieces: state_transfer.on_state_pieces,
    protocol.NewKey: session_keys.on_new_key,
    protocol.FetchBackup: backup.on_fetch_backup,
    protocol.Request: normal_case.on_request,
    Read: reads.on_read,
    protocol.Prepare: normal_case.on_vote,
    protocol.Commit: normal_case.on_vote,
}
"""In a view change too: votes for the new view may come before its NEW-VIEW does."""

DISPATCH: Final[dict[Status, dict[type, Handler]]] = {
    Status.NORMAL: {**_ALWAYS, protocol.PrePrepare: normal_case.on_pre_prepare},
    Status.VIEW_CHANGE: _ALWAYS,
    Status.LOST_VOTES: {},
    Status.RECOVERING: {
        protocol.Checkpoint: checkpoints.on_checkpoint,
        protocol.Status: recovery.on_status,
        protocol.Decided: retransmission.on_decided,
        protocol.Batches: retransmission.on_batches,
        protocol.StatePieces: state_transfer.on_state_pieces,
        protocol.NewKey: session_keys.on_new_key,
    },
}
"""(status, message type) -> handler. An absent pair is ignored, on purpose."""


class Replica:
    """The pure core of one replica. Times are microseconds: `now` monotonic, `wall` since 1970."""

    def __init__(
        self,
        replica_id: int,
        configuration: ClusterConfiguration,
        service: Service,
        authenticator: Authenticator,
        records: Iterable[Record] = (),
        lost_votes: bool = False,
        tracing: bool = True,
        entropy: Entropy | None = None,
    ) -> None:
        self.core: Final = Core(replica_id, configuration, service, authenticator, tracing, entropy)
        restart.restore(self.core, records, lost_votes)

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Take in one authentic message. `settle` draws the conclusions; call it after one or more of these."""
        core = self.core
        core.now, core.wall = now, wall
        handler = DISPATCH[core.status].get(type(opened.message))
        if handler is None:
            return
        reason = admission.accept_frame(opened)
        if reason is None:
            handler(core, opened)
        else:
            core.refuse(type(opened.message).__name__, reason, getattr(opened.message, "replica", None))

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Draw all conclusions, and hand out what is to be done, in order. Also called when the deadline has come."""
        core = self.core
        core.now, core.wall = now, wall
        if core.status is Status.RECOVERING:
            recovery.settle(core)
        elif core.status is not Status.LOST_VOTES:
            session_keys.settle(core)
            reconsider_parked(core)
            self._conclude()
            timers.restate(core)
            reason = timers.expired(core)
            if reason is None and epochs.who_is_kept_out(core) is not None:
                reason = "a replica that has recovered cannot enter it"
            if reason is not None:
                view_change.start(core, core.view + 1, reason)
                self._conclude()
            if order_tick(core):
                self._conclude()
            if checkpoints.hash_some(core):
                self._conclude()
            separate.settle(core)
            scrub.settle(core)
            state_transfer.settle(core)
            reads.settle(core)
            retransmission.settle(core)
            timers.restate(core)
        effects, core.outbox = core.outbox, []
        return effects

    def _conclude(self) -> None:
        core = self.core
        while True:
            if core.views.view_changes or core.status is not Status.NORMAL:
                view_change.conclude(core)
            while core.touched:
                number = min(core.touched)
                core.touched.discard(number)
                slot = core.log.slots.get(number)
                if slot is not None:
                    normal_case.advance(core, slot)
            executed = core.last_executed
            execution.execute_ready(core)
            if core.waiting.has_ready:
                normal_case.propose(core)
            if not core.touched and core.last_executed == executed:
                break
        normal_case.release_commits(core)

    def next_deadline(self) -> int | None:
        """When `settle` has to be called at the latest, in microseconds of the monotonic clock; None: never."""
        core = self.core
        if core.status is Status.LOST_VOTES:
            return None
        due = timers.deadlines(core)
        ask_at = reach.ask_at(core)
        if ask_at is not None:
            due.append(ask_at)
        if reads.can_be_answered(core):
            due.append(core.now)
        tick = core.service.next_deadline()
        if tick is not None and may_order_tick(core):
            due.append(core.now + max(0, tick - core.wall))
        return min(due)

    def check_invariants(self) -> None:
        """Raise InvariantViolation when a stated invariant does not hold."""
        invariants.check(self.core)

    def report(self) -> ReplicaReport:
        """A snapshot for people and programs."""
        core = self.core
        stable = core.checkpoints.held.get(core.log.low_watermark)
        return ReplicaReport(
            replica_id=core.replica_id,
            view=core.view,
            status=core.status.value,
            primary=core.primary,
            is_primary=core.is_primary,
            last_executed=core.last_executed,
            low_watermark=core.log.low_watermark,
            stable_checkpoint=core.log.low_watermark,
            state_digest="" if stable is None else stable.digest.hex(),
            view_changes=core.views.changes,
            needs_state=checkpoints.state_is_needed(core),
            waiting_requests=len(core.waiting),
            epoch=core.epoch,
            recovery_point=recovery.own_point(core),
            transfer=None if core.transfer is None else core.transfer.progress(),
            incidents=dict(core.incidents),
        )


def reconsider_parked(core: Core) -> None:
    """Parked proposals whose time has come are looked at again."""
    for number in core.parked:
        slot = core.log.slots.get(number)
        due = slot.parked.reconsider_at if slot is not None and slot.parked is not None else None
        if due is not None and due <= core.now:
            core.touched.add(number)


def order_tick(core: Core) -> bool:
    """When nothing else is ordered the primary lets the agreed time advance if the service waits for it (TIME-2), and
    orders null requests until all recovery points are reached (REC-4)."""
    tick = core.service.next_deadline()
    is_due = tick is not None and tick <= core.wall
    is_awaited = core.tables.recoveries.awaited(core.settings) > core.last_executed
    if not (is_due or is_awaited) or not may_order_tick(core):
        return False
    normal_case.propose_batch(core, [])
    return True


def may_order_tick(core: Core) -> bool:
    """Whether this is the primary, and nothing is ordered that is not executed: until then the tick waits, and no
    deadline for it is due."""
    is_idle = core.next_sequence_number == core.last_executed + 1
    return is_idle and core.is_primary and normal_case.has_room(core)

"""What must always hold in one replica. Cheap enough to be checked at every step; a violation stops the replica."""

from __future__ import annotations

from quorate.core.context import Core, Status
from quorate.core.log import Phase
from quorate.errors import require


def check(core: Core) -> None:
    """Raise InvariantViolation, naming the rule, when one does not hold."""
    log = core.log
    require(log.low_watermark <= core.last_executed, "INV-1: h <= last executed")
    require(core.last_executed <= log.high_watermark, "INV-2: last executed <= H")
    require(len(log.slots) <= log.window, "INV-3: no more than L slots")
    require(all(log.in_window(number) for number in log.slots), "INV-4: every slot lies in h < n <= H")
    require(all(log.in_window(number) for number in log.prepared_claims), "INV-5: P lies in h < n <= H")
    require(
        all(claim.view <= core.view for claim in log.prepared_claims.values()), "INV-6: P names views up to the own"
    )
    require(log.low_watermark in core.checkpoints.held, "INV-7: the checkpoint of the low watermark is held")
    require(len(core.waiting) <= core.settings.waiting_requests_max, "INV-8: the waiting requests are bounded")
    require(len(log.history) <= log.window, "INV-9: the history is bounded")
    if core.status is Status.VIEW_CHANGE:
        own = core.views.view_changes.get(core.replica_id)
        require(core.views.pending_new_view is not None or own is not None, "INV-10: a view change was announced")
    for slot in log.slots.values():
        if slot.phase >= Phase.PREPARED and core.status is Status.NORMAL:
            claim = log.prepared_claims.get(slot.sequence_number)
            require(claim is not None and claim.digest == slot.digest, "INV-11: what is prepared stands in P")
        if slot.sequence_number <= core.last_executed:
            require(slot.decided is not None, "INV-12: what is executed is decided")

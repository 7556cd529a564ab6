"""P19: a primary that proposes no null requests, so that nobody reaches a recovery point while clients are silent."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.proposals import BatchForger
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import Batch, PrePrepare


class WithholdNulls(BatchForger):
    """Drops its proposals that order nothing. All else it proposes."""

    row = "P19"

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """Nothing for nothing."""
        return (effect,) if batch.requests else ()

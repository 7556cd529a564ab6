"""B12: a replica that never says what its state is, so that one correct replica less makes checkpoints stable."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Checkpoint


class WithholdCheckpoints(Strategy):
    """Sends no CHECKPOINT of its own."""

    row = "B12"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Everything else."""
        if isinstance(effect, Broadcast | Send) and isinstance(effect.message, Checkpoint):
            return ()
        return (effect,)

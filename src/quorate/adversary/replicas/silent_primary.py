"""P1: a primary that proposes nothing, or stops to after some time. As a backup it behaves."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Message, PrePrepare


class SilentPrimary(Strategy):
    """Drops its PRE-PREPAREs from the first, or from a later one on."""

    row = "P1"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._stops_after = tools.random.choice((0, 0, 1, 5, 20))

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """No PRE-PREPARE, neither anew nor again."""
        return () if isinstance(effect, Broadcast | Send) and self._is_proposal(effect.message) else (effect,)

    def _is_proposal(self, message: Message) -> bool:
        return (
            isinstance(message, PrePrepare)
            and message.replica == self.tools.replica_id
            and message.sequence_number > self._stops_after
        )

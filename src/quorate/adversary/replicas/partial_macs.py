"""B9: a replica whose messages are authentic at some receivers only."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools, spoil_macs
from quorate.core.effects import Broadcast, Effect


class PartialMacs(Strategy):
    """Spoils the entries of one half of the replicas in its authenticators, always the same half, or any half."""

    row = "B9"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._is_fickle = tools.random.random() < 0.5
        self._half = tools.halves()[0]

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The same message with a spoilt authenticator."""
        if not isinstance(effect, Broadcast):
            return (effect,)
        if self._is_fickle:
            self._half = self.tools.halves()[0]
        return (Broadcast(effect.message, spoil_macs(effect.frame, self._half)),)

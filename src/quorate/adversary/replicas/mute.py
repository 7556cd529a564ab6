"""B1: a replica that hears everything and says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Effect, Persist, Trace


class Mute(Strategy):
    """Says nothing at all."""

    row = "B1"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Only what stays inside."""
        return (effect,) if isinstance(effect, Persist | Trace) else ()

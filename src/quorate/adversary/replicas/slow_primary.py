"""P8: a primary that proposes as late as it can without being suspected."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import PrePrepare


class SlowPrimary(Strategy):
    """Holds every PRE-PREPARE back for a while."""

    row = "P8"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._delay = tools.random.choice((10_000, 40_000, 120_000, 350_000))
        self._held: list[tuple[int, Effect]] = []

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """A PRE-PREPARE goes into the drawer."""
        if isinstance(effect, Broadcast) and isinstance(effect.message, PrePrepare):
            self._held.append((now + self._delay, effect))
            return ()
        return (effect,)

    def adds(self, now: int) -> Sequence[Effect]:
        """What has been in the drawer long enough."""
        due = [effect for at, effect in self._held if at <= now]
        self._held = [(at, effect) for at, effect in self._held if at > now]
        return due

    def next_deadline(self) -> int | None:
        """When the oldest one leaves the drawer."""
        return self._held[0][0] if self._held else None

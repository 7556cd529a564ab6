"""P8: a primary that proposes as late as it can without being suspected."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.drawer import Delaying
from quorate.adversary.traitor import Tools
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import PrePrepare


class SlowPrimary(Delaying):
    """Holds every PRE-PREPARE back for a while."""

    row = "P8"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._delay = tools.random.choice((10_000, 40_000, 120_000, 350_000))

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """A PRE-PREPARE goes into the drawer."""
        if isinstance(effect, Broadcast) and isinstance(effect.message, PrePrepare):
            self.hold(effect, now + self._delay)
            return ()
        return (effect,)

"""P12: a primary that proposes a wrong time: ahead, behind, or another in every batch."""

from __future__ import annotations

from quorate.adversary.traitor import Strategy, Tools

MINUTE = 60_000_000


class WrongTime(Strategy):
    """Its clock is wrong, and it does not care."""

    row = "P12"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._choices = tools.random.choice(((MINUTE,), (-MINUTE,), (2**61,), (-MINUTE, 0, 1000, MINUTE, 2**61)))

    def wall(self, wall: int) -> int:
        """Some other time."""
        return max(0, wall + self.tools.random.choice(self._choices))

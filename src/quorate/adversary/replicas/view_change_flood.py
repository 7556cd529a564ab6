"""B5, B6, P18: a replica that asks for new views all the time, near ones and ones far ahead."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Tools
from quorate.adversary.view_changes import ViewChanger
from quorate.core.effects import Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import PrePrepare, ViewChange

EVERY = 30_000
"""How often it asks, in microseconds."""


class ViewChangeFlood(ViewChanger):
    """A VIEW-CHANGE every few milliseconds, for the next view or any."""

    row = "B5"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._due = 0
        self._view = 0
        self._steps = tools.random.choice(((1,), (1, 2, 5), (10**9,)))

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Listen for the view that the others are in, too."""
        message = opened.message
        if isinstance(message, PrePrepare | ViewChange) and message.view < 10**6:
            self._view = max(self._view, message.view)
        return super().hears(opened, now)

    def adds(self, now: int) -> Sequence[Effect]:
        """Another VIEW-CHANGE."""
        if now < self._due:
            return ()
        self._due = now + EVERY
        return (self.tools.broadcast(self.blank(self._view + self.tools.random.choice(self._steps))),)

    def next_deadline(self) -> int | None:
        """Soon."""
        return self._due

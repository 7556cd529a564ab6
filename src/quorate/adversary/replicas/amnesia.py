"""B18: a replica that forgets, again and again, what it said before."""

from __future__ import annotations

from typing import Any

from quorate.adversary.traitor import MakeProcess, Process, Tools
from quorate.core.effects import Effect
from quorate.core.ports import Opened


class Amnesia:
    """An honest replica that starts again from an empty disk, as if nothing had been. Has the face of a replica."""

    def __init__(self, make: MakeProcess, tools: Tools) -> None:
        self._make = make
        self._tools = tools
        self._process: Process = make()
        self._patience = tools.random.choice((20, 100, 400))

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Listen, unless this is the moment to forget."""
        if self._tools.random.randrange(self._patience) == 0:
            self._process = self._make()
        self._process.receive(opened, now, wall)

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Behave."""
        return self._process.settle(now, wall)

    def next_deadline(self) -> int | None:
        """The present life's."""
        return self._process.next_deadline()

    def report(self) -> Any:
        """The present life's."""
        return self._process.report()

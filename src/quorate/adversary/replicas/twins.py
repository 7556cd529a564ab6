"""B19: twins, two honest replicas under one identity, each of which speaks with its own part of the group."""

from __future__ import annotations

from typing import Any

from quorate.adversary.traitor import MakeProcess, Process, Tools
from quorate.core.effects import Broadcast, Effect, Send, SendReply
from quorate.core.ports import Opened

ROUND = 200_000
"""How long a division of the group lasts, in microseconds."""


class Twins:
    """Two processes; who speaks with which is drawn anew now and then. Has the face of a replica."""

    def __init__(self, make: MakeProcess, tools: Tools) -> None:
        self._twins: tuple[Process, Process] = (make(), make())
        self._tools = tools
        self._round = -1
        self._sides: tuple[frozenset[int], frozenset[int]] = (frozenset(tools.peers), frozenset())

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """A replica is heard by the twin on its side, a client by both."""
        sender = getattr(opened.message, "replica", None)
        for twin, side in zip(self._twins, self._sides, strict=True):
            if sender is None or sender in side:
                twin.receive(opened, now, wall)

    def settle(self, now: int, wall: int) -> list[Effect]:
        """What both want done, each on its side."""
        self._divide(now)
        effects: list[Effect] = []
        for twin, side in zip(self._twins, self._sides, strict=True):
            for effect in twin.settle(now, wall):
                if isinstance(effect, Broadcast):
                    effects += self._tools.send_each(sorted(side), effect.message, effect.frame)
                elif isinstance(effect, SendReply) or (isinstance(effect, Send) and effect.receiver in side):
                    effects.append(effect)
        return effects

    def next_deadline(self) -> int | None:
        """The earlier of the two."""
        deadlines = [deadline for twin in self._twins if (deadline := twin.next_deadline()) is not None]
        return min(deadlines, default=None)

    def report(self) -> Any:
        """The first twin's."""
        return self._twins[0].report()

    def _divide(self, now: int) -> None:
        if now // ROUND == self._round:
            return
        self._round = now // ROUND
        here, there = self._tools.halves()
        both = self._tools.random.sample(self._tools.peers, self._tools.random.randrange(2))
        self._sides = (frozenset([*here, *both]), frozenset([*there, *both]))

"""C11, B21: a replica that recovers, as it says, again and again, and says that others do."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.auth.keys import Half
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import NewKey, Request
from quorate.messages.recoveries import recovery_request

EVERY = 30_000


class RecoverOften(Strategy):
    """Each time another half and a higher counter; in between NEW-KEYs without a recovery, and both in others' names,
    under its own signature or with MACs."""

    row = "C11"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._due = 0
        self._counter = 0
        self._wall = 0

    def adds(self, now: int) -> Sequence[Effect]:
        """A request, and a NEW-KEY."""
        if now < self._due:
            return ()
        self._due = now + EVERY
        tools = self.tools
        self._counter = max(self._counter + 1, self._wall)
        half = Half(tools.random.randbytes(32)).public
        whose = tools.random.choice((tools.replica_id, tools.replica_id, *tools.peers))
        said: list[NewKey | Request] = [
            recovery_request(tools.replica_keys[whose], self._counter, half),
            NewKey(self._counter, half, whose),
        ]
        return [Broadcast(message, tools.authenticator.seal(message)) for message in said]

    def wall(self, wall: int) -> int:
        """Counters follow the clock, as honest ones do."""
        self._wall = wall
        return wall

    def next_deadline(self) -> int | None:
        """The next time."""
        return self._due

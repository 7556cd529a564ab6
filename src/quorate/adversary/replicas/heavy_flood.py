"""B20: a replica that floods the others with large messages, whose signatures hold or do not."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Tools, spoil_macs
from quorate.adversary.view_changes import ViewChanger
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Batches, CheckpointClaim, NewView, PrePrepare, PrePreparedClaim, ViewChange

EVERY = 50_000
"""How often, in microseconds."""
HUGE = 20_000
"""Bytes that travel beside a message."""


class HeavyFlood(ViewChanger):
    """VIEW-CHANGEs full of claims, NEW-VIEWs full of VIEW-CHANGEs, and messages with a heavy load beside them."""

    row = "B20"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._due = 0
        self._view = 0

    def adds(self, now: int) -> Sequence[Effect]:
        """Something heavy, to everyone or to one."""
        if now < self._due:
            return ()
        self._due = now + EVERY
        self._view += 1
        heavy = self._heavy()
        if self.tools.random.random() < 0.5:
            heavy = heavy._replace(frame=spoil_macs(heavy.frame, self.tools.peers))
        return (heavy,)

    def next_deadline(self) -> int | None:
        """Soon."""
        return self._due

    def _heavy(self) -> Broadcast | Send:
        tools = self.tools
        load = (tools.random.randbytes(HUGE),)
        match tools.random.randrange(4):
            case 0:
                return tools.broadcast(self._full())
            case 1:
                frames = (tools.authenticator.seal(self._full()),) * tools.quorums.quorum
                wanted = CheckpointClaim(0, tools.digest())
                return tools.broadcast(NewView(self._view, frames, wanted, (), tools.replica_id, 0))
            case 2:
                return tools.broadcast(PrePrepare(self._view, self._view, tools.digest(), tools.replica_id), load)
        return tools.send(tools.random.choice(tools.peers), Batches(tools.replica_id), load * 4)

    def _full(self) -> ViewChange:
        """With as many claims as the window has room for."""
        blank, window = self.blank(self._view), self.tools.settings.window
        numbers = range(blank.low_watermark + 1, blank.low_watermark + window + 1)
        claims = tuple(PrePreparedClaim(number, self.tools.digest(), self._view - 1) for number in numbers)
        return ViewChange(blank.view, blank.low_watermark, blank.checkpoints, (), claims, blank.replica, 0)

"""B14: a replica that does its part among replicas, and answers clients with nothing, or with what is of no use."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy, Tools, spoil_macs
from quorate.core.effects import Effect, SendReply
from quorate.messages.protocol import Reply

HUGE = 30_000
"""How many bytes a result has that is too long."""


class WithholdReplies(Strategy):
    """Silence, or full results that are long, empty, cut off or not authentic: to all clients, or to one."""

    row = "B14"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._is_silent = tools.random.random() < 0.5
        self._has_victim = tools.random.random() < 0.3
        self._victim: bytes | None = None

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """No reply, or a useless one."""
        if not isinstance(effect, SendReply) or not isinstance(effect.message, Reply):
            return (effect,)
        if self._victim is None:
            self._victim = effect.message.client
        if self._has_victim and effect.message.client != self._victim:
            return (effect,)
        return () if self._is_silent else (self._useless(effect.message, effect.frame),)

    def _useless(self, reply: Reply, frame: bytes) -> SendReply:
        random = self.tools.random
        match random.randrange(5):
            case 0:
                return SendReply(reply, frame[: random.randrange(len(frame))])
            case 1:
                return SendReply(reply, random.randbytes(len(frame)))
            case 2:
                return SendReply(reply, spoil_macs(frame, [0]))
            case 3:
                wrong = replace(reply, results=tuple(bytes(HUGE) for _ in reply.results[:2]))
            case _:
                wrong = replace(reply, results=tuple(None for _ in reply.results))
        return SendReply(wrong, self.tools.authenticator.seal(wrong))

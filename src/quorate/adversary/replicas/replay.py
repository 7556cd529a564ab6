"""B22, P6: a replica that repeats old frames, its own and others', to anyone."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Opened
from quorate.messages.protocol import Message, Request

KEPT = 256


class Replay(Strategy):
    """With whatever it says goes an old frame or two."""

    row = "B22"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._heard: list[tuple[Message, bytes]] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Keep the frame."""
        self._keep(opened.message, opened.frame)
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The effect, and something old."""
        if not isinstance(effect, Broadcast | Send):
            return (effect,)
        if isinstance(effect, Broadcast):
            self._keep(effect.message, effect.frame)
        if not self._heard or self.tools.random.random() < 0.7:
            return (effect,)
        message, frame = self.tools.random.choice(self._heard)
        return (effect, Send(self.tools.random.choice(self.tools.peers), message, frame))

    def _keep(self, message: Message, frame: bytes) -> None:
        if isinstance(message, Request):
            self.tools.conspiracy.remember_request(frame)
        self._heard.append((message, frame))
        if len(self._heard) > KEPT:
            del self._heard[self.tools.random.randrange(KEPT)]

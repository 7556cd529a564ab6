"""P7: a primary that never orders the requests of one client, and serves all others."""

from __future__ import annotations

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.ports import Opened
from quorate.messages.protocol import Request


class StarveClient(Strategy):
    """Is deaf to the first client that it hears of."""

    row = "P7"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._victim: bytes | None = None

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Everything but that client's requests."""
        if not isinstance(opened.message, Request):
            return opened
        if self._victim is None:
            self._victim = opened.message.client
        return None if opened.message.client == self._victim else opened

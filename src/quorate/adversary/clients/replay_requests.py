"""C3: a client that repeats old requests, its own and those that traitors saw of others."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.liar import LiarStrategy, LiarTools
from quorate.client.session import SendRequest


class ReplayRequests(LiarStrategy):
    """With each request goes a handful of old ones."""

    row = "C3"

    def __init__(self, tools: LiarTools) -> None:
        super().__init__(tools)
        self._old: list[bytes] = []

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """The request, and old ones to some replicas."""
        self._old.append(sent.frame)
        known = self._old[-64:] + self.tools.conspiracy.requests
        chosen = self.tools.random.choices(known, k=4)
        return [sent, *(SendRequest(self.tools.some_replicas(), frame) for frame in chosen)]

"""C6: a client that asks for what changes something as if it only read."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.liar import LiarStrategy, LiarTools, request_of
from quorate.client.session import SendRequest
from quorate.messages.reads import READ_OPERATIONS_MAX, Read


class FalseReads(LiarStrategy):
    """READs of the operations of its requests, now and then twice with one nonce, before the request itself."""

    row = "C6"

    def __init__(self, tools: LiarTools) -> None:
        super().__init__(tools)
        self._nonce = 1

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """A READ to some replicas, then the request."""
        request = request_of(sent.frame)
        if request is None or not request.operations:
            return (sent,)
        tools = self.tools
        self._nonce += tools.random.randrange(2)
        read = Read(request.client, self._nonce, request.operations[:READ_OPERATIONS_MAX])
        return (SendRequest(tools.some_replicas(), tools.authenticator.seal_read(read)), sent)

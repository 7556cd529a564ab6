"""C7: a client that sends far more than it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest

COUNT = 20


class Flood(LiarStrategy):
    """A burst of requests and openings with growing timestamps, to everyone."""

    row = "C7"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """The burst, then the request."""
        request = request_of(sent.frame)
        if request is None:
            return (sent,)
        burst = [
            self.tools.authenticator.seal(replace(request, timestamp=request.timestamp + step)) for step in range(COUNT)
        ]
        return [*(SendRequest(self.tools.replicas, frame) for frame in burst), sent]

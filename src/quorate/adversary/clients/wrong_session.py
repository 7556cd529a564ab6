"""C9: a client that uses sessions which are not its own, closed or never opened, and opens new ones all the time."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest


class WrongSession(LiarStrategy):
    """Other sessions, openings with operations, requests without."""

    row = "C9"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """Something wrong, then the request."""
        request = request_of(sent.frame)
        if request is None:
            return (sent,)
        random = self.tools.random
        wrong = random.choice(
            (
                replace(request, session=request.session + 1),
                replace(request, session=2**62),
                replace(request, operations=()),
                replace(request, session=0, operations=(b"append liar opening.",)),
                replace(request, session=0, operations=(), timestamp=now),
            )
        )
        return (SendRequest(self.tools.some_replicas(), self.tools.authenticator.seal(wrong)), sent)

"""C4: a client whose timestamps are far ahead, or go back."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest


class FarTimestamp(LiarStrategy):
    """The largest timestamp that there is, the smallest, or one between."""

    row = "C4"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """The request under another timestamp, and as it was."""
        request = request_of(sent.frame)
        if request is None or self.tools.random.random() < 0.5:
            return (sent,)
        timestamp = self.tools.random.choice((2**63 - 1, 2**62, 0, request.timestamp + 1000))
        other = self.tools.authenticator.seal(replace(request, timestamp=timestamp))
        return (SendRequest(sent.receivers, other), sent)

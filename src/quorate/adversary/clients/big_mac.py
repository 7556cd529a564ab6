"""C1, C2: the Big-MAC attack. The request's authenticator holds at some replicas only; a signature, nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.liar import LiarStrategy, LiarTools, request_of
from quorate.adversary.traitor import spoil_macs
from quorate.client.session import SendRequest


class BigMac(LiarStrategy):
    """Valid at one replica only, or invalid at one only; the same replica for ever, or another each time."""

    row = "C1"

    def __init__(self, tools: LiarTools) -> None:
        super().__init__(tools)
        self._is_fickle = tools.random.random() < 0.5
        self._spares_one = tools.random.random() < 0.5
        self._one = tools.random.choice(tools.replicas)

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """The same request with a spoilt authenticator, to everyone."""
        if self._is_fickle:
            self._one = self.tools.random.choice(self.tools.replicas)
        request = request_of(sent.frame)
        if request is None:
            return (sent,)
        frame = self.tools.authenticator.seal(request)  # MACs, where a correct client would sign by now
        others = [replica for replica in self.tools.replicas if replica != self._one]
        spoilt = spoil_macs(frame, others if self._spares_one else [self._one])
        return (SendRequest(self.tools.replicas, spoilt),)

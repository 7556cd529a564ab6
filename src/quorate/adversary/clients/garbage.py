"""C9: a client that sends bytes which are no message, half a message, or one that is not its to send."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.liar import LiarStrategy
from quorate.client.session import SendRequest


class Garbage(LiarStrategy):
    """Broken frames around every request."""

    row = "C9"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """Something broken, then the request."""
        random = self.tools.random
        broken = bytearray(sent.frame or b"?")
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
        cut = sent.frame[: random.randrange(len(sent.frame) + 1)]
        noise = random.randbytes(random.randrange(200))
        return [*(SendRequest(self.tools.replicas, junk) for junk in (bytes(broken), cut, noise)), sent]

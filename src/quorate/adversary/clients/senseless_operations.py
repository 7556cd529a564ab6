"""C10: a client that is allowed to ask, and asks for what makes no sense to any service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest

if TYPE_CHECKING:
    from random import Random

AHEAD = 1000
"""How far ahead its timestamps are: the honest session inside never takes an answer to them for its own."""


class SenselessOperations(LiarStrategy):
    """Authentic requests whose operations are noise, empty, cut off, long, or very many."""

    row = "C10"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """What makes no sense, then the request."""
        request = request_of(sent.frame)
        if request is None or not request.operations:
            return (sent,)
        operations = tuple(senseless(self.tools.random) for _ in range(self.tools.random.choice((1, 1, 3, 100))))
        other = replace(request, timestamp=request.timestamp + AHEAD, operations=operations)
        return (SendRequest(sent.receivers, self.tools.authenticator.seal(other)), sent)


def senseless(random: Random) -> bytes:
    """What no service can make sense of."""
    return random.choice(
        (
            b"",
            b"\0" * random.randrange(100),
            random.randbytes(random.randrange(200)),
            b"write",
            b"append  \xff\xfe",
            b"swap " + b" " * random.randrange(20),
            b"*3\r\n$3\r\nSET\r\n$-1\r\n$99999999\r\n",
            b"write liar " + b"9" * 1000,
        )
    )

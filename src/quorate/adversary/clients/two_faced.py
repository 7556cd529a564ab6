"""C5, C9: a client that gives one timestamp to different operations, and sends each replica one of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest


class TwoFaced(LiarStrategy):
    """Another operation for each replica, under the same session and timestamp."""

    row = "C5"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """One request a replica."""
        request = request_of(sent.frame)
        if request is None or not request.operations:
            return (sent,)
        faces = [(b"append liar %d." % replica,) for replica in self.tools.replicas]
        return [
            SendRequest((replica,), self.tools.authenticator.seal(replace(request, operations=face)))
            for replica, face in zip(self.tools.replicas, faces, strict=True)
        ]

"""C5, C9: a client that gives one timestamp to different operations, and sends each replica one of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest
from quorate.messages.protocol import SEPARATE_BYTES


class TwoFaced(LiarStrategy):
    """Another operation for each replica, under the same session and timestamp."""

    row = "C5"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """One request a replica."""
        request = request_of(sent.frame)
        if request is None or not request.operations:
            return (sent,)
        # As large as what it stands for: then the primary orders one of them by its digest (SEP-2).
        padding = b"~" * SEPARATE_BYTES if len(sent.frame) > SEPARATE_BYTES else b""
        faces = [(b"append liar %d." % replica + padding,) for replica in self.tools.replicas]
        return [
            SendRequest((replica,), self.tools.authenticator.seal(replace(request, operations=face)))
            for replica, face in zip(self.tools.replicas, faces, strict=True)
        ]

"""C2, C8: a client that lets only some replicas know of its requests: the backups, or the primary."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.liar import LiarStrategy, LiarTools
from quorate.client.session import SendRequest


class BackupsOnly(LiarStrategy):
    """Sends to one replica that never changes, or to all but one."""

    row = "C8"

    def __init__(self, tools: LiarTools) -> None:
        super().__init__(tools)
        one = tools.random.choice(tools.replicas)
        rest = tuple(replica for replica in tools.replicas if replica != one)
        self._receivers = tools.random.choice(((one,), rest))

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """To those only."""
        return (SendRequest(self._receivers, sent.frame),)

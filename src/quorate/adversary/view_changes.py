"""What replicas that want a new view too often have in common: VIEW-CHANGEs that say no more than they have to."""

from __future__ import annotations

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.ports import Opened
from quorate.messages.protocol import Checkpoint, CheckpointClaim, ViewChange


class ViewChanger(Strategy):
    """Knows a checkpoint that the others hold, which a VIEW-CHANGE has to name."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._checkpoint = CheckpointClaim(0, bytes(32))

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Listen for checkpoints."""
        message = opened.message
        if isinstance(message, Checkpoint) and message.sequence_number > self._checkpoint.sequence_number:
            self._checkpoint = CheckpointClaim(message.sequence_number, message.digest)
        return opened

    def blank(self, view: int) -> ViewChange:
        """A VIEW-CHANGE of a replica at which nothing prepared."""
        low = self._checkpoint.sequence_number
        return ViewChange(view, low, (self._checkpoint,), (), (), self.tools.replica_id, 0)

"""B2: a replica that votes for everything that anyone proposes or votes for."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import Commit, Prepare, PrePrepare


class DoubleVote(Strategy):
    """PREPARE and COMMIT, to everyone, for each digest that it hears of."""

    row = "B2"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._voted: dict[tuple[int, int, bytes], None] = {}
        self._extra: list[Effect] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Vote at once."""
        message = opened.message
        if isinstance(message, PrePrepare | Prepare | Commit):
            vote = (message.view, message.sequence_number, message.digest)
            if vote not in self._voted:
                self._voted[vote] = None
                if len(self._voted) > 1024:
                    del self._voted[next(iter(self._voted))]
                self._extra.append(self.tools.broadcast(Prepare(*vote, self.tools.replica_id)))
                self._extra.append(self.tools.broadcast(Commit(*vote, self.tools.replica_id)))
        return opened

    def adds(self, now: int) -> Sequence[Effect]:
        """The votes."""
        extra, self._extra = self._extra, []
        return extra

"""B16, B21: a replica that says it has everything, or nothing, and says so all the time."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Effect
from quorate.messages.protocol import FetchBatches, Status

EVERY = 20_000
"""How often, in microseconds."""


class LyingStatus(Strategy):
    """STATUS and FETCH-BATCHES without end: far ahead, far behind, of any view, for bodies that are not."""

    row = "B21"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._due = 0

    def adds(self, now: int) -> Sequence[Effect]:
        """Spam."""
        if now < self._due:
            return ()
        self._due = now + EVERY
        random, own = self.tools.random, self.tools.replica_id
        far = random.choice((0, 0, 1000, 2**62))
        missing = tuple(self.tools.digest() for _ in range(random.randrange(4)))
        status = Status(
            random.choice((0, 1, 2**62)), random.random() < 0.5, far, far, random.randbytes(8), 0, missing, own
        )
        peer = random.choice(self.tools.peers)
        return (self.tools.broadcast(status), self.tools.send(peer, FetchBatches(missing, own)))

    def next_deadline(self) -> int | None:
        """Soon."""
        return self._due

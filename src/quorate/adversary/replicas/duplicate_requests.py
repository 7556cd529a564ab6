"""P11: a primary that orders requests again: twice in a batch, and old ones in later batches."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.proposals import BatchForger, proposal
from quorate.adversary.traitor import Tools
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import Batch, PrePrepare


class DuplicateRequests(BatchForger):
    """Fills its batches up with requests that were ordered before."""

    row = "P11"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._ordered: list[bytes] = []

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """The same batch, with old requests in between."""
        self._ordered = [*self._ordered, *batch.requests][-64:]
        if not self._ordered:
            return (effect,)
        again = self.tools.random.choices(self._ordered, k=self.tools.random.randint(1, 4))
        requests = [*batch.requests, *again]
        self.tools.random.shuffle(requests)
        other, frame = proposal(self.tools, message, Batch(batch.time, tuple(requests)))
        return (Broadcast(other, frame),)

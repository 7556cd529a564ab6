"""P2, P3: a primary that gives one sequence number to two batches, and votes for both."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.proposals import BatchForger, proposal
from quorate.adversary.traitor import Tools
from quorate.core.effects import Broadcast, Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import Batch, Commit, Prepare, PrePrepare


class Equivocate(BatchForger):
    """Sends half of the backups another batch: the same requests in another order, at another time, or none."""

    row = "P2"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._others: dict[tuple[int, int], bytes] = {}
        """The second digest of each (view, sequence number)."""
        self._committed: set[tuple[int, int]] = set()
        self._extra: list[Effect] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """A backup accepted the second batch: commit to that too."""
        message = opened.message
        if isinstance(message, Prepare):
            key = (message.view, message.sequence_number)
            if self._others.get(key) == message.digest and key not in self._committed:
                self._committed.add(key)
                self._extra.append(self.tools.broadcast(Commit(*key, message.digest, self.tools.replica_id)))
        return opened

    def adds(self, now: int) -> Sequence[Effect]:
        """The commits to the second batches."""
        extra, self._extra = self._extra, []
        return extra

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """One batch to these backups, another to those."""
        random = self.tools.random
        requests = list(batch.requests)
        random.shuffle(requests)
        kept = requests[: random.choice((0, len(requests), len(requests)))]
        second, frame = proposal(self.tools, message, Batch(batch.time + random.choice((1, 7)), tuple(kept)))
        self._others[message.view, message.sequence_number] = second.digest
        here, there = self.tools.halves()
        both = [*self.tools.send_each(here, message, effect.frame), *self.tools.send_each(there, second, frame)]
        random.shuffle(both)
        return both

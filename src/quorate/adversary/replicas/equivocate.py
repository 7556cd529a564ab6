"""P2, P3: a primary that gives one sequence number to two batches, and votes for both."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools, attachments_of
from quorate.core.effects import Broadcast, Effect
from quorate.core.ports import Opened
from quorate.messages.codec import decode_batch, decode_envelope, encode_batch
from quorate.messages.digests import batch_digest, request_digest
from quorate.messages.protocol import Batch, Commit, Prepare, PrePrepare


class Equivocate(Strategy):
    """Sends half of the backups another batch: the same requests in another order, at another time, or none."""

    row = "P2"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._others: dict[tuple[int, int], bytes] = {}
        """The second digest of each (view, sequence number)."""
        self._committed: set[tuple[int, int]] = set()
        self._extra: list[Effect] = []

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """A second PRE-PREPARE for some of the backups, and the commits that go with it."""
        if not isinstance(effect, Broadcast):
            return (effect,)
        message = effect.message
        if isinstance(message, PrePrepare) and attachments_of(effect.frame):
            return self._equivocate(effect, message)
        return (effect,)

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

    def _equivocate(self, effect: Broadcast, message: PrePrepare) -> Sequence[Effect]:
        data = attachments_of(effect.frame)[0]
        batch = decode_batch(data)
        requests = list(batch.requests)
        self.tools.random.shuffle(requests)
        kept = requests[: self.tools.random.choice((0, len(requests), len(requests)))]
        other = Batch(batch.time + self.tools.random.choice((1, 7)), tuple(kept))
        digest = batch_digest(other.time, [request_digest(decode_envelope(frame).payload) for frame in kept])
        second = PrePrepare(message.view, message.sequence_number, digest, self.tools.replica_id)
        self._others[message.view, message.sequence_number] = digest
        frame = self.tools.authenticator.seal(second, (encode_batch(other),))
        here, there = self.tools.halves()
        both = [*self.tools.send_each(here, message, effect.frame), *self.tools.send_each(there, second, frame)]
        self.tools.random.shuffle(both)
        return both

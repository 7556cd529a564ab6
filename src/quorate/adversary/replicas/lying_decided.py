"""B3 in retransmission: a replica that claims as decided what was not."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Effect, Send
from quorate.core.ports import Opened
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Chosen, Decided, Status


class LyingDecided(Strategy):
    """Every DECIDED names other digests; whoever says that it lags is told of decisions that nobody took."""

    row = "B3"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._extra: list[Effect] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Answer every STATUS."""
        message = opened.message
        if isinstance(message, Status):
            entries = tuple(
                Chosen(message.last_executed + step, self.tools.random.choice((NULL_DIGEST, self.tools.digest())))
                for step in range(1, 4)
            )
            self._extra.append(self.tools.send(message.replica, Decided(entries, self.tools.replica_id)))
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Falsify the honest answers."""
        if isinstance(effect, Send) and isinstance(effect.message, Decided):
            message = effect.message
            entries = tuple(Chosen(entry.sequence_number, self.tools.digest()) for entry in message.entries)
            return (self.tools.send(effect.receiver, replace(message, entries=entries)),)
        return (effect,)

    def adds(self, now: int) -> Sequence[Effect]:
        """The lies."""
        extra, self._extra = self._extra, []
        return extra

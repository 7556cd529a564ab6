"""P4, P5, P6: a primary that leaves gaps, jumps far ahead, goes back, or proposes for views that are not its own."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.proposals import BatchForger
from quorate.adversary.traitor import attachments_of
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import Batch, PrePrepare


class WrongNumbers(BatchForger):
    """Sequence numbers and views that are off, by a little or by a lot."""

    row = "P4"

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """Another number, instead or besides."""
        random = self.tools.random
        number, view = message.sequence_number, message.view
        other = random.choice(
            (
                replace(message, sequence_number=number + random.choice((1, 2, 3))),
                replace(message, sequence_number=number + 10**6),
                replace(message, sequence_number=2**63 - 1),
                replace(message, sequence_number=max(0, number - random.choice((1, 5, 50)))),
                replace(message, view=max(0, view - self.tools.quorums.replica_count)),
                replace(message, view=view + self.tools.quorums.replica_count),
            )
        )
        lie = self.tools.broadcast(other, attachments_of(effect.frame))
        return random.choice(((lie,), (effect, lie), (lie, effect), (effect,)))

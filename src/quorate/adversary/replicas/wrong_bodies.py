"""B15, P13: a replica that answers questions for batches and for state with garbage, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, attachments_of
from quorate.core.effects import Effect, Send
from quorate.messages.protocol import Batches, StatePieces


class WrongBodies(Strategy):
    """What travels beside BATCHES and STATE-PIECES is falsified, exchanged, or missing."""

    row = "B15"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Another body, or silence."""
        if not isinstance(effect, Send) or not isinstance(effect.message, Batches | StatePieces):
            return (effect,)
        bodies = attachments_of(effect.frame)
        wrong = self.tools.random.choice(
            (
                tuple(body + b"!" for body in bodies),
                tuple(reversed(bodies)),
                bodies[1:],
                tuple(self.tools.random.randbytes(len(body)) for body in bodies),
                None,
            )
        )
        return () if wrong is None else (self.tools.send(effect.receiver, effect.message, wrong),)

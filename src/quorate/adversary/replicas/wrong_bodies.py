"""B15, P13: a replica that answers who asks for batches, for state, or for a backup, with garbage, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, attachments_of
from quorate.core.effects import Effect, Send, SendReply
from quorate.messages.protocol import BackupPieces, Batches, StatePieces

BODIES = (Batches, StatePieces, BackupPieces)
"""Messages beside which something travels that was asked for."""


class WrongBodies(Strategy):
    """What travels beside BATCHES, STATE-PIECES and BACKUP-PIECES is falsified, exchanged, or missing."""

    row = "B15"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Another body, or silence."""
        if not isinstance(effect, Send | SendReply) or not isinstance(effect.message, BODIES):
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
        if wrong is None:
            return ()
        if isinstance(effect, Send):
            return (self.tools.send(effect.receiver, effect.message, wrong),)
        return (effect._replace(frame=self.tools.authenticator.seal(effect.message, wrong)),)

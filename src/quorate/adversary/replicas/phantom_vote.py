"""B3, B4: a replica that votes for digests which nobody proposed, and sends PREPAREs when it is the primary."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Commit, Prepare, PrePrepare


class PhantomVote(Strategy):
    """Every vote is for a digest of its own, or for another number or view; as primary it votes besides."""

    row = "B3"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Another vote."""
        if not isinstance(effect, Broadcast | Send):
            return (effect,)
        message, random = effect.message, self.tools.random
        if isinstance(message, PrePrepare):
            vote = (message.view, message.sequence_number, message.digest, self.tools.replica_id)
            return (effect, self.tools.broadcast(Prepare(*vote)))
        if not isinstance(message, Prepare | Commit):
            return (effect,)
        lie = random.choice(
            (
                replace(message, digest=self.tools.digest()),
                replace(message, sequence_number=message.sequence_number + 1),
                replace(message, view=message.view + 1),
            )
        )
        return random.choice(((self.tools.broadcast(lie),), (self.tools.broadcast(lie), effect)))

"""B11, B16: a replica whose CHECKPOINTs vouch for states that nobody has."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Checkpoint


class LyingCheckpoint(Strategy):
    """Another digest, or a sequence number far ahead; sometimes a different lie to each half."""

    row = "B11"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """A lie instead of every own CHECKPOINT."""
        if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, Checkpoint):
            return (effect,)
        message, tools = effect.message, self.tools
        if message.replica != tools.replica_id:
            return (effect,)
        number = message.sequence_number
        lies = [
            replace(message, digest=tools.digest()),
            replace(message, sequence_number=number * tools.random.choice((2, 1000)), digest=tools.digest()),
            replace(message, sequence_number=number * 2),
        ]
        here, there = tools.halves()
        one, other = tools.random.choice(lies), tools.random.choice([*lies, message])
        return [
            *tools.send_each(here, one, tools.authenticator.seal(one)),
            *tools.send_each(there, other, tools.authenticator.seal(other)),
        ]

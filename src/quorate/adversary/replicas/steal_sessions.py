"""B3: a replica that votes for others as well, with session keys that were stolen from them before they recovered."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import Commit, Prepare


class StealSessions(Strategy):
    """For each own vote, everyone's whose session keys were stolen: for its digest to some, for another to the rest.
    Signatures it cannot make for them."""

    row = "B3"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The vote, and the others'."""
        if not isinstance(effect, Broadcast) or not isinstance(effect.message, Prepare | Commit):
            return (effect,)
        tools, message = self.tools, effect.message
        if tools.settings.replica_authentication != "mac" or not tools.is_own(message):
            return (effect,)
        said: list[Effect] = [effect]
        here, there = tools.halves()
        for replica, authenticator in sorted(tools.conspiracy.stolen.items()):
            for side, digest in ((here, message.digest), (there, tools.digest())):
                for kind in (Prepare, Commit):
                    vote = kind(message.view, message.sequence_number, digest, replica)
                    said += tools.send_each(side, vote, authenticator.seal(vote))
        return said

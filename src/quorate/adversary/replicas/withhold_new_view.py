"""P17: a new primary that sends its NEW-VIEW to some backups only, or to none."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import NewView


class WithholdNewView(Strategy):
    """A few hear of the new view, the others do not."""

    row = "P17"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """To a random few."""
        if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, NewView):
            return (effect,)
        if isinstance(effect, Send):
            return ()
        few = self.tools.random.sample(self.tools.peers, self.tools.random.randrange(len(self.tools.peers)))
        return self.tools.send_each(few, effect.message, effect.frame)

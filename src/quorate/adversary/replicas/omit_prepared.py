"""P15: a new primary that leaves out of its choice what prepared, or puts in what nobody proposed."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.messages.protocol import Chosen, NewView


class OmitPrepared(NewViewForger):
    """The choice lacks its end, is empty, or has something more."""

    row = "P15"

    def forge(self, message: NewView) -> NewView:
        """Another choice."""
        chosen = message.chosen
        following = (chosen[-1].sequence_number if chosen else message.checkpoint.sequence_number) + 1
        added = (*chosen, Chosen(following, self.tools.digest()))
        return replace(message, chosen=self.tools.random.choice(((), chosen[:-1], added)))

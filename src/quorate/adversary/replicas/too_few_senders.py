"""P16: a new primary that goes ahead with fewer VIEW-CHANGEs than a quorum."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.messages.protocol import NewView


class TooFewSenders(NewViewForger):
    """V lacks one or more VIEW-CHANGEs, the choice is empty or as it was."""

    row = "P16"

    def forge(self, message: NewView) -> NewView:
        """A smaller V."""
        kept = self.tools.random.randrange(self.tools.quorums.quorum)
        chosen = self.tools.random.choice(((), message.chosen))
        return replace(message, view_changes=message.view_changes[:kept], chosen=chosen)

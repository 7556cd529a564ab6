"""P15: a new primary that chooses the null request where something prepared."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Chosen, NewView


class NullForPrepared(NewViewForger):
    """Every digest of its choice is the null request's."""

    row = "P15"

    def forge(self, message: NewView) -> NewView:
        """Nulls instead."""
        return replace(message, chosen=tuple(Chosen(entry.sequence_number, NULL_DIGEST) for entry in message.chosen))

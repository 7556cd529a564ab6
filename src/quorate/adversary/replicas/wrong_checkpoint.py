"""P15: a new primary that starts its view from another checkpoint than its VIEW-CHANGEs vouch for."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.messages.protocol import CheckpointClaim, NewView


class WrongCheckpoint(NewViewForger):
    """An older one, a later one, or one that never was."""

    row = "P15"

    def forge(self, message: NewView) -> NewView:
        """Another checkpoint."""
        number, digest = message.checkpoint.sequence_number, message.checkpoint.digest
        latest = message.chosen[-1].sequence_number if message.chosen else number
        other = self.tools.random.choice(
            (
                CheckpointClaim(number, self.tools.digest()),
                CheckpointClaim(0, digest),
                CheckpointClaim(latest, digest),
                CheckpointClaim(number + 10**6, digest),
            )
        )
        return replace(message, checkpoint=other)

"""B7: a replica whose VIEW-CHANGEs no correct replica could send."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect
from quorate.messages.protocol import CheckpointClaim, PreparedClaim, PrePreparedClaim, ViewChange


class ImpossibleViewChange(Strategy):
    """Duplicate claims, claims outside the window, claims of views to come, checkpoints that cannot be."""

    row = "B7"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """An impossible VIEW-CHANGE instead of every honest one."""
        if not isinstance(effect, Broadcast) or not isinstance(effect.message, ViewChange):
            return (effect,)
        return (self.tools.broadcast(self._forge(effect.message)),)

    def _forge(self, message: ViewChange) -> ViewChange:
        low, view, digest = message.low_watermark, message.view, self.tools.digest()
        choices = (
            replace(message, pre_prepared=tuple(PrePreparedClaim(low + 1, digest, at) for at in range(min(view, 4)))),
            replace(message, prepared=(PreparedClaim(low + 1, digest, 0), PreparedClaim(low + 1, digest, 0))),
            replace(message, prepared=(PreparedClaim(low + 1, digest, view + 3),)),
            replace(message, prepared=(PreparedClaim(low, digest, 0), PreparedClaim(low + 10**6, digest, 0))),
            replace(message, checkpoints=(CheckpointClaim(low, digest), CheckpointClaim(low, self.tools.digest()))),
            replace(message, checkpoints=()),
            replace(message, low_watermark=low + 1),
            replace(message, low_watermark=10**6, checkpoints=(CheckpointClaim(10**6, digest),)),
            replace(message, epoch=1),
        )
        return self.tools.random.choice(choices)

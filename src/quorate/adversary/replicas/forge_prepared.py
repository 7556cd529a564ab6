"""B8: a replica whose VIEW-CHANGEs claim what never prepared, and forget what did."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import PreparedClaim, PrePreparedClaim, ViewChange


class ForgePrepared(Strategy):
    """P and Q that could be a correct replica's, but are lies; sometimes a different lie to each half."""

    row = "B8"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Another VIEW-CHANGE, or two."""
        if not isinstance(effect, Broadcast) or not isinstance(effect.message, ViewChange):
            return (effect,)
        tools = self.tools
        one = self._forge(effect.message)
        if tools.random.random() < 0.5:
            return (tools.broadcast(one),)
        here, there = tools.halves()
        other = self._forge(effect.message)
        return [
            *tools.send_each(here, one, tools.authenticator.seal(one)),
            *tools.send_each(there, other, tools.authenticator.seal(other)),
        ]

    def _forge(self, message: ViewChange) -> ViewChange:
        random = self.tools.random
        match random.randrange(4):
            case 0:  # nothing ever prepared here
                return replace(message, prepared=(), pre_prepared=())
            case 1:  # everything that prepared here was null, in the latest view
                return self._claim(message, {claim.sequence_number: NULL_DIGEST for claim in message.prepared})
            case 2:  # something that nobody proposed prepared here
                return self._claim(message, {claim.sequence_number: self.tools.digest() for claim in message.prepared})
        number = message.low_watermark + random.randint(1, 4)
        return self._claim(message, {number: self.tools.digest()})

    def _claim(self, message: ViewChange, digests: dict[int, bytes]) -> ViewChange:
        view = message.view - 1
        return replace(
            message,
            prepared=tuple(PreparedClaim(number, digest, view) for number, digest in sorted(digests.items())),
            pre_prepared=tuple(PrePreparedClaim(number, digest, view) for number, digest in sorted(digests.items())),
        )

"""B8: a replica whose VIEW-CHANGEs claim what never prepared, and forget what did."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect
from quorate.core.ports import Opened
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    CheckpointClaim,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    ViewChange,
)

KEPT = 1024
"""Sequence numbers of which it remembers what was voted for."""


class ForgePrepared(Strategy):
    """P and Q that could be a correct replica's, but are lies; sometimes a different lie to each half."""

    row = "B8"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._heard: dict[int, dict[bytes, int]] = {}
        """Digests that were voted for, and the latest view of each, by sequence number."""

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Remember what could be claimed."""
        message = opened.message
        if isinstance(message, PrePrepare | Prepare):
            digests = self._heard.setdefault(message.sequence_number, {})
            digests[message.digest] = max(message.view, digests.get(message.digest, 0))
            if len(self._heard) > KEPT:
                del self._heard[min(self._heard)]
        return opened

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
        random, latest = self.tools.random, message.view - 1
        match random.randrange(6):
            case 0:  # nothing ever prepared here
                return replace(message, prepared=(), pre_prepared=())
            case 1:  # everything that prepared here was null, in the latest view
                return self._claim(message, {c.sequence_number: (NULL_DIGEST, latest) for c in message.prepared})
            case 2:  # something that nobody proposed prepared here
                return self._claim(
                    message, {c.sequence_number: (self.tools.digest(), latest) for c in message.prepared}
                )
            case 3:  # what others voted for prepared here: of two digests, the one that did not
                return self._claim(message, self._rivals(message))
            case 4:  # a checkpoint that nobody has
                low, interval = message.low_watermark, self.tools.settings.checkpoint_interval
                later = CheckpointClaim(low + interval, self.tools.digest())
                kept = (claim for claim in message.checkpoints if claim.sequence_number == low)
                return replace(message, checkpoints=(*kept, later))
        return self._claim(message, {message.low_watermark + random.randint(1, 4): (self.tools.digest(), latest)})

    def _rivals(self, message: ViewChange) -> dict[int, tuple[bytes, int]]:
        prepared = {claim.sequence_number: claim.digest for claim in message.prepared}
        top = message.low_watermark + self.tools.settings.window
        rivals: dict[int, tuple[bytes, int]] = {}
        for number, digests in self._heard.items():
            others = [(digest, view) for digest, view in digests.items() if digest != prepared.get(number)]
            if others and message.low_watermark < number <= top:
                rivals[number] = (others[0][0], min(others[0][1], message.view - 1))
        return rivals

    def _claim(self, message: ViewChange, claims: dict[int, tuple[bytes, int]]) -> ViewChange:
        return replace(
            message,
            prepared=tuple(PreparedClaim(number, *claim) for number, claim in sorted(claims.items())),
            pre_prepared=tuple(PrePreparedClaim(number, *claim) for number, claim in sorted(claims.items())),
        )

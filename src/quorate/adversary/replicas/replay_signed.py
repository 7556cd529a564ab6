"""B22, B11: a replica that repeats signed words of the past, its own and others', when their senders have recovered."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Opened
from quorate.messages.protocol import Checkpoint, Message, NewKey, NewView, Request, ViewChange

SIGNED = (Checkpoint, ViewChange, NewView, NewKey)
AHEAD = 3
"""How many checkpoints to come it vouches for falsely."""


class ReplaySigned(Strategy):
    """What it heard and said goes to all traitors after it; so do CHECKPOINTs that it signs now for false states of the
    numbers to come: the same ones as all its kind, so that those of different times would make a certificate."""

    row = "B22"

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Keep what is signed."""
        self._keep(opened.message, opened.frame)
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The effect, and now and then something of long ago."""
        if not isinstance(effect, Broadcast | Send):
            return (effect,)
        tools = self.tools
        if isinstance(effect, Broadcast):
            self._keep(effect.message, effect.frame)
            if isinstance(effect.message, Checkpoint) and tools.is_own(effect.message):
                self._vouch_falsely(effect.message)
        past = tools.conspiracy.signed
        if not past or tools.random.random() < 0.7:
            return (effect,)
        return (effect, *(Broadcast(*tools.random.choice(past)) for _ in range(3)))

    def _vouch_falsely(self, message: Checkpoint) -> None:
        interval = self.tools.settings.checkpoint_interval
        for step in range(AHEAD):
            number = message.sequence_number + step * interval
            lie = Checkpoint(number, sha256(b"false %d" % number).digest(), message.replica, message.epoch)
            self.tools.conspiracy.remember_signed(lie, self.tools.authenticator.seal(lie))

    def _keep(self, message: Message, frame: bytes) -> None:
        key = message.client if isinstance(message, Request) else b""
        if isinstance(message, SIGNED) or key in self.tools.replica_keys:
            self.tools.conspiracy.remember_signed(message, frame)

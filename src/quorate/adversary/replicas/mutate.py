"""B22: a replica that changes one field of its messages a little (ByzzFuzz's small-scope mutations)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import fields, replace

from quorate.adversary.traitor import Strategy, Tools, attachments_of
from quorate.core.effects import Broadcast, Effect, Send, SendReply
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode, encode
from quorate.messages.protocol import Message


class Mutate(Strategy):
    """A number one more or less, an earlier value of the field, another digest, a list cut or doubled."""

    row = "B22"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._share = tools.random.choice((0.05, 0.3, 1.0))
        self._earlier: dict[tuple[str, str], Any] = {}
        """A value that each field had before."""

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The same message with one field changed."""
        if not isinstance(effect, Broadcast | Send | SendReply):
            return (effect,)
        if getattr(effect.message, "replica", None) != self.tools.replica_id:
            return (effect,)
        if self.tools.random.random() >= self._share:
            return (effect,)
        message = self._mutated(effect.message)
        if message is None:
            return (effect,)
        attachments = attachments_of(effect.frame)
        if isinstance(effect, Broadcast):
            return (self.tools.broadcast(message, attachments),)
        if isinstance(effect, Send):
            return (self.tools.send(effect.receiver, message, attachments),)
        return (effect._replace(frame=self.tools.authenticator.seal(message)),)

    def _mutated(self, message: Message) -> Message | None:
        """A message that decodes, or None."""
        name = self.tools.random.choice([f.name for f in fields(message) if f.name not in ("replica", "client")])
        value = getattr(message, name)
        key = (type(message).__name__, name)
        other = self._other(value, self._earlier.get(key, value))
        self._earlier[key] = value
        changed = replace(message, **{name: other})
        try:
            decode(encode(changed))
        except (MalformedMessage, msgspec.MsgspecError, OverflowError, TypeError):
            return None
        return changed

    def _other(self, value: Any, earlier: Any) -> Any:
        random = self.tools.random
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return random.choice((value + 1, max(0, value - 1), earlier, 0))
        if isinstance(value, bytes):
            return random.choice((earlier, random.randbytes(len(value))))
        if isinstance(value, tuple):
            return random.choice((value[1:], value[:-1], value + value[:1], tuple(reversed(value)), earlier))
        return earlier

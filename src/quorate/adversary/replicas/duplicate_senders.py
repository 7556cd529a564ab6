"""P16: a new primary whose quorum of VIEW-CHANGEs is one replica's, several times."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import NewView, ViewChange


class DuplicateSenders(NewViewForger):
    """Its own VIEW-CHANGE, which says that nothing prepared, counted as often as is needed."""

    row = "P16"

    def forge(self, message: NewView) -> NewView:
        """V has one or two senders, the choice is empty."""
        own = next((vc for frame in message.view_changes if (vc := self._own(frame)) is not None), None)
        if own is None:
            return message
        empty = self.tools.authenticator.seal(replace(own, prepared=(), pre_prepared=()))
        others = [frame for frame in message.view_changes if self._own(frame) is None]
        kept = others[: self.tools.random.randint(0, self.tools.quorums.quorum - 2)]
        copies = [empty] * (self.tools.quorums.quorum - len(kept))
        return replace(message, view_changes=(*kept, *copies), chosen=())

    def _own(self, frame: bytes) -> ViewChange | None:
        inner = decode(decode_envelope(frame).payload)
        return inner if isinstance(inner, ViewChange) and inner.replica == self.tools.replica_id else None

"""P16: a new primary whose V holds VIEW-CHANGEs that know nothing, signed before their senders recovered."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.core.effects import Broadcast, Effect
from quorate.core.new_view import Undecided, compute_new_view
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import NewView, ViewChange

VIEWS = 12
"""For how many views to come it signs in advance."""


class PastViewChanges(NewViewForger):
    """While it lies, it signs VIEW-CHANGEs for the views to come in which nothing prepared here, and leaves them to the
    traitors after it. The choice that it makes follows from what it shows."""

    row = "P16"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """With an own VIEW-CHANGE go the past ones of others for that view; NEW-VIEWs are forged."""
        said = super().says(effect, now)
        if isinstance(effect, Broadcast) and isinstance(effect.message, ViewChange):
            self._sign_in_advance(effect.message)
            past = self.tools.conspiracy.view_changes.get(effect.message.view, {})
            said = [*(Broadcast(*past[replica]) for replica in sorted(past) if replica in self.tools.peers), *said]
        return said

    def forge(self, message: NewView) -> NewView:
        """As many of the past as there are, the present ones of the others."""
        tools = self.tools
        past = tools.conspiracy.view_changes.get(message.view, {})
        chosen: list[ViewChange] = []
        frames: list[bytes] = []
        for frame in message.view_changes:
            present = decode(decode_envelope(frame).payload)
            assert isinstance(present, ViewChange)
            old, old_frame = past.get(present.replica, (present, frame))
            chosen.append(old)
            frames.append(old_frame)
        choice = compute_new_view(chosen, tools.quorums, tools.settings.window)
        if isinstance(choice, Undecided):
            return message
        return replace(message, view_changes=tuple(frames), checkpoint=choice.checkpoint, chosen=choice.chosen)

    def _sign_in_advance(self, message: ViewChange) -> None:
        tools = self.tools
        if not tools.is_own(message):
            return
        for view in range(message.view + 1, message.view + 1 + VIEWS):
            lie = replace(message, view=view, prepared=(), pre_prepared=())
            tools.conspiracy.remember_view_change(lie, tools.authenticator.seal(lie))

"""P16: a new primary whose V holds VIEW-CHANGEs for earlier views, or spoilt ones."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.adversary.proposals import NewViewForger
from quorate.adversary.traitor import Tools, spoil_macs
from quorate.core.ports import Opened
from quorate.messages.protocol import NewView, ViewChange


class StaleNewView(NewViewForger):
    """Replaces VIEW-CHANGEs by older ones of the same senders."""

    row = "P16"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._old: dict[int, bytes] = {}

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Keep the first VIEW-CHANGE of each replica."""
        if isinstance(opened.message, ViewChange):
            self._old.setdefault(opened.message.replica, opened.frame)
        return opened

    def forge(self, message: NewView) -> NewView:
        """A V of another time."""
        kept = message.view_changes[: self.tools.quorums.quorum - len(self._old)]
        old = tuple(self._old.values())[: self.tools.quorums.quorum]
        spoilt = tuple(spoil_macs(frame, [0]) for frame in message.view_changes)
        if self.tools.random.random() < 0.3:
            return replace(message, view_changes=spoilt)
        return replace(message, view_changes=(*kept, *old)[: self.tools.quorums.replica_count], chosen=())

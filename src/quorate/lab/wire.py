"""Links of which the receiver may lose what they bring: between a node and its real links."""

from __future__ import annotations

from quorate.net.links import Link, LinkHandler


class Wire:
    """Hands on what links bring, unless it is lost. A link handler in front of a link handler."""

    def __init__(self, handler: LinkHandler) -> None:
        self.deaf_to: frozenset[int] = frozenset()
        """Replicas of which nothing arrives."""
        self._handler = handler

    def link_opened(self, link: Link) -> None:
        """The node has one link more."""
        self._handler.link_opened(link)

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        """Frames arrive, or are lost."""
        if link.peer.replica_id is None or link.peer.replica_id not in self.deaf_to:
            self._handler.frames_received(link, frames)

    def link_closed(self, link: Link, reason: str) -> None:
        """The node has one link less."""
        self._handler.link_closed(link, reason)

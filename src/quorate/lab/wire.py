"""Links that can be cut: between a node and its real links, and for each direction by itself."""

from __future__ import annotations

from quorate.net.links import Link, LinkHandler
from quorate.runtime import ports


class Wire:
    """Hands on what links bring and what a node sends, unless it is lost. A link handler in front of a link handler."""

    def __init__(self, handler: LinkHandler) -> None:
        self.mute_to: frozenset[int] = frozenset()
        """Replicas that get nothing."""
        self.deaf_to: frozenset[int] = frozenset()
        """Replicas of which nothing arrives."""
        self._handler = handler
        self._links: dict[Link, _Link] = {}

    def link_opened(self, link: Link) -> None:
        """The node sees the link through this wire."""
        own = self._links[link] = _Link(self, link)
        self._handler.link_opened(own)  # type: ignore[arg-type]  # a node needs of a link what `runtime.ports` says

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        """Frames arrive, or are lost."""
        if link.peer.replica_id is None or link.peer.replica_id not in self.deaf_to:
            self._handler.frames_received(self._links[link], frames)  # type: ignore[arg-type]

    def link_closed(self, link: Link, reason: str) -> None:
        """The real link is gone."""
        self._handler.link_closed(self._links.pop(link), reason)  # type: ignore[arg-type]


class _Link:
    """A link as the node sees it."""

    def __init__(self, wire: Wire, link: Link) -> None:
        self._wire = wire
        self._link = link

    @property
    def peer(self) -> ports.Peer:
        """Who is at the other end."""
        return self._link.peer

    def send(self, frame: bytes) -> bool:
        """Queue *frame*. A frame that is lost on its way was sent for all that the sender knows."""
        return self._link.peer.replica_id in self._wire.mute_to or self._link.send(frame)

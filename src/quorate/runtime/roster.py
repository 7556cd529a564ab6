"""Which links are open: one a replica, any number a client."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.runtime.ports import Link


class Roster:
    """The open links of a replica, found by whom they lead to."""

    def __init__(self) -> None:
        self._replicas: dict[int, Link] = {}
        self._clients: dict[bytes, list[Link]] = {}

    def add(self, link: Link) -> None:
        """A link opened. A replica that dials again replaces its old link, which may be dead without our knowing."""
        peer = link.peer
        if peer.replica_id is not None:
            self._replicas[peer.replica_id] = link
        else:
            self._clients.setdefault(peer.public_key, []).append(link)

    def remove(self, link: Link) -> None:
        """A link closed."""
        peer = link.peer
        if peer.replica_id is not None:
            if self._replicas.get(peer.replica_id) is link:
                del self._replicas[peer.replica_id]
            return
        links = [other for other in self._clients.get(peer.public_key, ()) if other is not link]
        if links:
            self._clients[peer.public_key] = links
        else:
            self._clients.pop(peer.public_key, None)

    def replica(self, replica_id: int) -> Link | None:
        """The link to one replica."""
        return self._replicas.get(replica_id)

    def replicas(self) -> Iterable[Link]:
        """The links to all replicas that are connected."""
        return self._replicas.values()

    def client(self, public_key: bytes) -> Iterable[Link]:
        """The links of one client: every process that holds its key."""
        return self._clients.get(public_key, ())

    def client_link_count(self) -> int:
        """How many links lead to clients."""
        return sum(map(len, self._clients.values()))

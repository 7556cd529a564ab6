"""Putting a checkpoint's tree together from pieces that anybody may have sent, in any order. Pure.

Each node must have the digest that its parent vouches for; so what comes out is what the root's digest covers, and a
liar only delays. Nodes come out in the order of their paths, parents before children, which is the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

from quorate.messages.tree import EMPTY, NodeKind, Path, child_digests, kind_of_node

AHEAD_BYTES: Final = 32 << 20
"""What has come and waits for nodes before it. Beyond this only what the next one waits for is asked for."""


class Node(NamedTuple):
    """A node that is known to be right."""

    path: Path
    kind: NodeKind
    data: bytes


class Gathering:
    """The nodes that are wanted, those that somebody was asked for, and those that are here."""

    def __init__(self, service_digest: bytes) -> None:
        self._wanted: list[Path] = []
        self._vouched: dict[Path, bytes] = {}
        """Nodes that are not here, with the digests that their parents vouch for."""
        self._order: list[Path] = []
        """Nodes that did not come out yet, the first in front."""
        self._here: dict[Path, Node] = {}
        self._waiting_bytes = 0
        self._want((), service_digest)

    @property
    def is_complete(self) -> bool:
        """Whether every node is here."""
        return not self._vouched

    def take(self, count: int) -> tuple[Path, ...]:
        """Up to so many nodes to ask somebody for; none: there is nothing to ask for now."""
        is_far_ahead = self._waiting_bytes > AHEAD_BYTES
        if is_far_ahead and self._wanted and self._wanted[0] != self._order[0]:
            return ()
        taken: list[Path] = []
        while self._wanted and len(taken) < count:
            path = heappop(self._wanted)
            if path in self._vouched:
                taken.append(path)
        return tuple(taken)

    def give_back(self, paths: Sequence[Path]) -> None:
        """Those of *paths* that did not come have to be asked for again."""
        for path in paths:
            if path in self._vouched:
                heappush(self._wanted, path)

    def put(self, path: Path, data: bytes) -> bool:
        """A piece came; whether it is the node that was asked for. One that is here already is no lie."""
        digest = self._vouched.get(path)
        if digest is None:
            return True
        kind = kind_of_node(path, data, digest)
        if kind is None:
            return False
        del self._vouched[path]
        self._here[path] = Node(path, kind, data)
        self._waiting_bytes += len(data)
        if kind is NodeKind.INNER:
            for child, part in enumerate(child_digests(data)):
                self._want((*path, child), part)
        return True

    def come_out(self) -> Iterator[Node]:
        """The nodes whose turn it is."""
        while self._order and self._order[0] in self._here:
            node = self._here.pop(heappop(self._order))
            self._waiting_bytes -= len(node.data)
            yield node

    def _want(self, path: Path, digest: bytes) -> None:
        if digest != EMPTY:
            self._vouched[path] = digest
            heappush(self._wanted, path)
            heappush(self._order, path)

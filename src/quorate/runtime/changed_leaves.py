"""Which leaves of a service's state changed since they were written last, and with what contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from quorate.core.ports import Service
from quorate.errors import require
from quorate.messages.tree import EMPTY, NodeKind, Path, child_digests, kind_of_node

Leaves = dict[Path, bytes]


class ChangedLeaves(Protocol):
    """Finds the leaves that changed."""

    def begin(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """The service holds the checkpoint that *leaves* say; it is written."""

    def search(self, sequence_number: int, root: bytes) -> Iterator[None]:
        """Look for what changed up to a checkpoint with this digest, in steps of one node."""

    def take(self) -> Leaves:
        """Hand over what was found; it is written."""


def changed_leaves_of(service: Service) -> ChangedLeaves:
    """How to find out of this service. One that has `record_changes`, as `quorate.state.Table` and `Forest` do, is
    asked to note the contents of leaves when it hashes them; of any other the tree is searched."""
    record = getattr(service, "record_changes", None)
    return SearchedLeaves(service) if record is None else RecordedLeaves(record)


class RecordedLeaves:
    """The service notes what changed: there is nothing to be searched."""

    def __init__(self, record: RecordChanges) -> None:
        self._changed: Leaves = {}
        record(self._changed)

    def begin(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """What was noted of this checkpoint is written."""
        self._changed.clear()

    def search(self, sequence_number: int, root: bytes) -> Iterator[None]:
        """Nothing is to be done."""
        return iter(())

    def take(self) -> Leaves:
        """Hand over what was noted."""
        taken = dict(self._changed)
        self._changed.clear()
        return taken


class RecordChanges(Protocol):
    """The method `record_changes` of a service."""

    def __call__(self, into: Leaves) -> None:
        """From now on put the contents of leaves that changed into *into*."""


class SearchedLeaves:
    """Walks down the tree where its digests differ from those of the version before: that costs what changed."""

    def __init__(self, service: Service) -> None:
        self._fetch = service.fetch
        self._nodes: dict[Path, bytes] = {}
        """The inner nodes of the version that was written last."""
        self._changed: Leaves = {}

    def begin(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Learn the inner nodes."""
        unread: list[Path] = [()] if leaves and () not in leaves else []
        while unread:
            path = unread.pop()
            self._nodes[path] = data = self._fetch(sequence_number, path) or b""
            children = [(*path, child) for child, digest in enumerate(child_digests(data)) if digest != EMPTY]
            unread += [child for child in children if child not in leaves]

    def search(self, sequence_number: int, root: bytes) -> Iterator[None]:
        """Walk down where the digests differ."""
        unread: list[tuple[Path, bytes]] = [((), root)]
        while unread:
            path, digest = unread.pop()
            if digest == EMPTY:
                self._remove(path)
            else:
                unread += self._compare(sequence_number, path, digest)
            yield

    def take(self) -> Leaves:
        """Hand over what was found."""
        changed, self._changed = self._changed, {}
        return changed

    def _compare(self, sequence_number: int, path: Path, digest: bytes) -> list[tuple[Path, bytes]]:
        """Note a node that changed; its children that did."""
        data = self._fetch(sequence_number, path) or b""
        kind = kind_of_node(path, data, digest)
        require(kind is not None, f"the node {path} of the state in memory has its digest")
        if kind is NodeKind.LEAF:
            self._changed[path] = data
            return []
        present = child_digests(data)
        before = child_digests(self._nodes.get(path, b"")) or [EMPTY] * len(present)
        require(len(before) == len(present), f"the node {path} has as many children as before")
        self._nodes[path] = data
        return [((*path, child), part) for child, part in enumerate(present) if part != before[child]]

    def _remove(self, path: Path) -> None:
        """Note that there is nothing any more where something was."""
        node = self._nodes.pop(path, None)
        if node is None:
            self._changed[path] = b""
            return
        for child, part in enumerate(child_digests(node)):
            if part != EMPTY:
                self._remove((*path, child))

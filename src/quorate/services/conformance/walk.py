"""The whole of a checkpoint, each node checked against its digest: what a state transfer sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from quorate.errors import QuorateError
from quorate.messages.tree import EMPTY, NodeKind, Path, child_digests, kind_of_node


class BadNode(QuorateError):
    """A node of a checkpoint is missing, or is not what its digest says."""


class Holder(Protocol):
    """Whatever holds checkpoints: a service, a table."""

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """The bytes of a node of a held checkpoint."""


def leaves_of(holder: Holder, sequence_number: int, digest: bytes) -> dict[Path, bytes]:
    """All leaves with contents of the checkpoint whose digest is *digest*; BadNode when the tree is not in order."""
    return dict(_walk(holder, sequence_number, (), digest))


def _walk(holder: Holder, sequence_number: int, path: Path, digest: bytes) -> Iterator[tuple[Path, bytes]]:
    data = holder.fetch(sequence_number, path)
    if data is None:
        raise BadNode(f"there is no node at {path}")
    kind = kind_of_node(path, data, digest)
    if kind is None:
        raise BadNode(f"the node at {path} does not match its digest: was a value changed behind the table's back?")
    if kind is NodeKind.INNER:
        for child, child_digest in enumerate(child_digests(data)):
            if child_digest != EMPTY:
                yield from _walk(holder, sequence_number, (*path, child), child_digest)
    elif data:
        yield path, data

"""A service whose checkpoints are on disk before anyone hears of their digests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from itertools import islice
from typing import Final

from quorate.core.ports import Service
from quorate.errors import require
from quorate.messages.tree import DIGEST_SIZE, EMPTY, NodeKind, Path, kind_of_node
from quorate.runtime.changed_leaves import changed_leaves_of

NODES_A_CALL: Final = 32
"""Nodes of the tree that one call of `digest` looks at: a millisecond or so."""

KeepState = Callable[[int, Mapping[Path, bytes]], Future[list[Path]]]


class KeptService:
    """The service *inner*, to the rules as it is, but `digest` knows a checkpoint's digest only once it is on disk.

    Satisfies `core.ports.Service`.
    """

    def __init__(self, inner: Service, keep: KeepState) -> None:
        self.execute = inner.execute
        self.query = inner.query
        self.only_reads = inner.only_reads
        self.tick = inner.tick
        self.fetch = inner.fetch
        self.next_deadline = inner.next_deadline
        self.revert = inner.revert
        self._inner = inner
        self._keep = keep
        self._version = 0
        """The newest checkpoint that is on disk; at the beginning that of the empty state."""
        self._changed = changed_leaves_of(inner)
        self._wanted: list[Path] = []
        """Leaves to be written with the next version, changed or not."""
        self._copies: dict[Path, bytes] = {}
        self._search: Iterator[None] | None = None
        self._writing: Future[list[Path]] | None = None
        self._frozen = 0

    def begin(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """The inner service, which is empty, becomes what *leaves* say; they are on disk as this version."""
        self._inner.install(sequence_number, leaves)
        self._version = self._frozen = sequence_number
        self._changed.begin(sequence_number, leaves)

    def checkpoint(self, sequence_number: int) -> bytes | None:
        """Freeze the state; its digest is known at once only if it is on disk already."""
        require(self._search is None and self._writing is None, "a checkpoint is taken when the one before is kept")
        digest = self._inner.checkpoint(sequence_number)
        self._frozen = sequence_number
        return digest if sequence_number <= self._version else None

    def digest(self, sequence_number: int) -> bytes | None:
        """Hash a little, look for a little of what changed, or see whether the disk is done."""
        digest = self._inner.digest(sequence_number)
        if digest is None or sequence_number != self._frozen or sequence_number <= self._version:
            return digest
        if self._writing is None:
            self._search = self._search or self._find_changes(sequence_number, digest)
            if len(list(islice(self._search, NODES_A_CALL))) == NODES_A_CALL:
                return None
            self._search = None
            self._writing = self._hand_over(sequence_number)
        if not self._writing.done():
            return None
        self._wanted, self._writing = self._writing.result(), None
        self._version = sequence_number
        return digest

    def release(self, keep: Collection[int]) -> None:
        """Forget all checkpoints but those under the sequence numbers *keep* and the newest."""
        self._inner.release(keep)

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Take over a fetched state. It is handed to the disk at once: records that speak of it come after it."""
        self._inner.install(sequence_number, leaves)
        digest = self._inner.digest(sequence_number)
        while digest is None:
            digest = self._inner.digest(sequence_number)
        self._wanted = []
        for _ in self._find_changes(sequence_number, digest):
            pass
        self._hand_over(sequence_number)
        self._version = self._frozen = sequence_number

    def _hand_over(self, sequence_number: int) -> Future[list[Path]]:
        copies, self._copies = self._copies, {}
        return self._keep(sequence_number, {**copies, **self._changed.take()})

    def _find_changes(self, sequence_number: int, root: bytes) -> Iterator[None]:
        """What changed, and what is to be written once more; one step a node."""
        yield from self._changed.search(sequence_number, root)
        for path in self._wanted:
            self._copy(sequence_number, path, root)
            yield

    def _copy(self, sequence_number: int, path: Path, root: bytes) -> None:
        """Note a leaf that need not have changed: its place on disk is to be reused."""
        digest = root
        if path:
            start = path[-1] * DIGEST_SIZE
            digest = (self._inner.fetch(sequence_number, path[:-1]) or b"")[start : start + DIGEST_SIZE] or EMPTY
        data = self._inner.fetch(sequence_number, path) or b""
        require(kind_of_node(path, data, digest) is NodeKind.LEAF, f"the leaf {path} of the state has its digest")
        self._copies[path] = data

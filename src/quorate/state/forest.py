"""Several tables under one root: one checkpoint, one digest, for a service that has more than one."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from quorate.errors import require
from quorate.messages.tree import EMPTY, Path, inner_digest
from quorate.state.table import Table


class Forest:
    """The tree whose children are *tables*: table number i is at the path (i,), and was made with that prefix."""

    def __init__(self, tables: Sequence[Table[Any]]) -> None:
        self._tables = tables
        self._roots: dict[int, bytes] = {}
        """For each held checkpoint that is hashed the bytes of the root: the tables' digests."""
        self._frozen = -1
        """The newest checkpoint."""

    def freeze(self, sequence_number: int) -> None:
        """Hold the present contents of all tables as a checkpoint. Takes a moment; hashing comes after."""
        for table in self._tables:
            table.freeze(sequence_number)
        self._frozen = sequence_number
        self._roots.pop(sequence_number, None)

    def digest(self, sequence_number: int, effort: int = sys.maxsize) -> bytes | None:
        """The digest of a held checkpoint, or None while it is the newest and not hashed yet: each call hashes up to
        *effort* more keys or leaves."""
        if sequence_number not in self._roots:
            require(sequence_number == self._frozen, f"there is no checkpoint {sequence_number} to hash")
            for table in self._tables:
                if table.unhashed and not table.hash_some(effort) and effort < sys.maxsize:
                    return None
            self._roots[sequence_number] = b"".join(table.digest(sequence_number) for table in self._tables)
        return inner_digest((), self._roots[sequence_number])

    def record_changes(self, into: dict[Path, bytes]) -> None:
        """From now on put the contents of every leaf into *into* when it is hashed and has changed; none if it is
        gone. The caller takes them out."""
        for table in self._tables:
            table.record_changes(into)

    def checkpoint(self, sequence_number: int) -> bytes:
        """Freeze the contents and hash what changed: the two halves in one."""
        self.freeze(sequence_number)
        return self.digest(sequence_number) or EMPTY

    def release(self, keep: Collection[int]) -> None:
        """Forget all checkpoints but those under the sequence numbers *keep* and the newest."""
        for table in self._tables:
            table.release(keep)
        self._roots = {held: root for held, root in self._roots.items() if held in keep or held == self._frozen}

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """The bytes of a node of a held checkpoint, none when nothing is below it; None when it is not held."""
        if not path:
            if sequence_number == self._frozen:
                self.digest(sequence_number)
            root = self._roots.get(sequence_number)
            return root if root is None or any(root) else b""
        if not 0 <= path[0] < len(self._tables):
            return None
        return self._tables[path[0]].fetch(sequence_number, path[1:])

    def revert(self) -> list[Collection[bytes]]:
        """Go back to the newest checkpoint; for each table the keys that had changed since."""
        return [table.revert() for table in self._tables]

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents of the given leaves (or empty subtrees), keep the others, forget all checkpoints and
        hold the result as the checkpoint *sequence_number*."""
        shares: defaultdict[int, dict[Path, bytes]] = defaultdict(dict)
        for path, data in leaves.items():
            if path:
                require(0 <= path[0] < len(self._tables), f"there is no table at {path}")
                shares[path[0]][path[1:]] = data
            else:
                require(not data, "the root of a forest is no leaf: only its being empty can be installed")
                shares.update({number: {(): b""} for number in range(len(self._tables))})
        for number, table in enumerate(self._tables):
            table.install(sequence_number, shares[number])
        self._frozen = sequence_number
        self._roots.clear()
        self._roots[sequence_number] = b"".join(table.digest(sequence_number) for table in self._tables)

"""What changed in a table between two checkpoints: behind dirty leaves, old checkpoints and the index."""

from __future__ import annotations

import sys
from bisect import bisect_left
from itertools import islice
from typing import Generic

from quorate.state.codec import Value
from quorate.state.tree import Shape

Keys = tuple[bytes, ...]


class Index:
    """Which keys each leaf holds, in order. It may name keys that are gone: whoever reads it looks the key up.

    Keys get in when changes are grouped and out when their leaf is hashed, so that `put` pays nothing for it. They are
    in tuples: those of bytes alone are not looked at by the garbage collector, whose pauses would grow with the table.
    """

    __slots__ = ("_bits", "_groups", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._bits = shape.bits
        self._groups: list[dict[int, Keys]] = [{} for _ in range(shape.leaves >> shape.bits)]
        """By their parent, so that the leaves that exist are found in order without a walk over all."""

    def keys(self, leaf: int) -> Keys:
        """The keys of a leaf in ascending order."""
        return self._groups[leaf >> self._bits].get(leaf, ())

    def add(self, leaf: int, key: bytes) -> None:
        """Note that *leaf* holds *key*."""
        group = self._groups[self._group_of(leaf)]
        keys = group.get(leaf, ())
        position = bisect_left(keys, key)
        if position == len(keys) or keys[position] != key:
            group[leaf] = (*keys[:position], key, *keys[position:])

    def replace(self, leaf: int, keys: Keys) -> None:
        """Note that *leaf* holds just *keys*, which are in ascending order."""
        group = self._groups[self._group_of(leaf)]
        if keys:
            group[leaf] = keys
        else:
            group.pop(leaf, None)

    def leaves_from(self, leaf: int) -> list[int]:
        """Existing leaves in order from number *leaf* on: at least one, if there is one, but not all of them."""
        for group in islice(self._groups, min(self._group_of(leaf), len(self._groups)), None):
            if leaves := sorted(number for number in group if number >= leaf):
                return leaves
        return []

    def _group_of(self, leaf: int) -> int:
        return leaf >> self._bits


class Changes(Generic[Value]):
    """The keys that changed in one interval, each with the value that it had before (None: it was absent)."""

    __slots__ = ("_leaves", "_pending", "_seen", "before")

    def __init__(self) -> None:
        self.before: dict[bytes, Value | None] = {}
        """Only grows, and each key is written once: the first change in the interval."""
        self._leaves: dict[int, Keys] = {}
        self._seen = 0
        self._pending: list[bytes] = []
        """Keys that are seen but not yet sorted by leaf: whatever their number, the next ones are at hand."""

    def group_some(self, index: Index, keys: int) -> bool:
        """Sort up to so many keys by leaf, new ones into *index* too; say whether all are sorted now."""
        before, leaves, pending = self.before, self._leaves, self._pending
        if self._seen < len(before):
            pending += islice(reversed(before), len(before) - self._seen)
            self._seen = len(before)
        start = max(len(pending) - keys, 0)
        chosen = pending[start:]
        for key, leaf in zip(chosen, index.shape.leaves_of(chosen), strict=True):
            leaves[leaf] = (*leaves[leaf], key) if leaf in leaves else (key,)
            if before[key] is None:
                index.add(leaf, key)
        del pending[start:]
        return not pending

    def sorted_of(self, leaf: int) -> Keys:
        """The keys of a leaf among those that are sorted already."""
        return self._leaves.get(leaf, ())

    def by_leaf(self, index: Index) -> dict[int, Keys]:
        """The changed keys of each leaf. The cost is that of the keys that are new since the last call."""
        self.group_some(index, sys.maxsize)
        return self._leaves

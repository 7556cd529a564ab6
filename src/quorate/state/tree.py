"""The Merkle tree over a table's partitions: immutable, so that checkpoints share what did not change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping
from hashlib import sha256
from struct import Struct

from quorate.errors import require
from quorate.messages.tree import DIGEST_SIZE, EMPTY, Path, inner_digest

_first_number = Struct(">I").unpack_from
_put_digest = Struct(f"{DIGEST_SIZE}s").pack_into
"""Puts a digest into a node; a slice assignment would make a copy of it first."""


class Shape:
    """How many partitions a table has: `levels` levels of inner nodes with 2**bits children each.

    The default of 256 x 256 is measured, from a thousand to a million entries of 100 bytes: with fewer leaves each
    changed one of a large table is dearer to hash, with more a change shares less of the way to the root.
    """

    __slots__ = ("_shifts", "bits", "fanout", "leaves", "levels")

    def __init__(self, bits: int = 8, levels: int = 2) -> None:
        require(0 < bits * levels <= 32, "a table has at most 2**32 partitions")
        self.bits = bits
        self.levels = levels
        self.fanout = 1 << bits
        self.leaves = 1 << bits * levels
        self._shifts = [bits * level for level in reversed(range(levels))]

    def leaf_of(self, key: bytes) -> int:
        """The number of the leaf that holds *key*.

        A cryptographic hash, because clients choose the keys: they are spread evenly however they look, and equally
        in every process.
        """
        return self.leaves_of((key,))[0]

    def leaves_of(self, keys: Iterable[bytes]) -> list[int]:
        """`leaf_of` each key."""
        count = self.leaves
        return [_first_number(sha256(key).digest())[0] % count for key in keys]

    def path_of(self, leaf: int) -> Path:
        """The path from the root to leaf number *leaf*."""
        return self.paths_below(())(leaf)

    def paths_below(self, prefix: Path) -> Callable[[int], Path]:
        """What gives the path to a leaf of a tree whose root is at *prefix*: made once for many leaves."""
        mask, bits, shifts = self.fanout - 1, self.bits, self._shifts
        if self.levels == 2:
            return lambda leaf: (*prefix, leaf >> bits, leaf & mask)
        return lambda leaf: (*prefix, *[leaf >> shift & mask for shift in shifts])

    def number_of(self, path: Path) -> int | None:
        """The number of the node at *path* among those of its level, None when there is no such node."""
        number = 0
        for child in path:
            if not 0 <= child < self.fanout:
                return None
            number = number << self.bits | child
        return number if len(path) <= self.levels else None


class HashTree:
    """Digests of all partitions. `updated` gives a new tree that shares the nodes that stay as they are."""

    __slots__ = ("_levels", "digest", "prefix", "shape")

    def __init__(self, shape: Shape, prefix: Path = (), levels: tuple[dict[int, bytes], ...] = ()) -> None:
        self.shape = shape
        self.prefix = prefix
        """The path of this tree's root in the tree that it is part of."""
        self._levels = levels or tuple({} for _ in range(shape.levels))
        """For each level from the root on: node number -> its children's digests; empty subtrees are left out."""
        self.digest = inner_digest(prefix, self._levels[0].get(0, b""))

    def node(self, path: Path) -> bytes:
        """The bytes of the inner node at *path* (within this tree); none when nothing is below it."""
        number = self.shape.number_of(path)
        return self._levels[len(path)].get(number, b"") if number is not None else b""

    def leaf_digest(self, leaf: int) -> bytes:
        """The digest of leaf number *leaf*."""
        node = self._levels[-1].get(leaf >> self.shape.bits)
        if node is None:
            return EMPTY
        start = (leaf & self.shape.fanout - 1) * DIGEST_SIZE
        return node[start : start + DIGEST_SIZE]

    def updated(self, leaves: Mapping[int, bytes]) -> HashTree:
        """The tree in which the leaves with the given numbers have the given digests."""
        update = self.updating(leaves)
        while True:
            try:
                next(update)
            except StopIteration as end:
                tree: HashTree = end.value
                return tree

    def updating(self, leaves: Mapping[int, bytes]) -> Generator[None, None, HashTree]:
        """`updated` in steps, of one inner node each."""
        if not leaves:
            return self
        levels = list(self._levels)
        digests = leaves
        for level in reversed(range(self.shape.levels)):
            levels[level], digests = yield from self._updating_level(level, digests)
        return HashTree(self.shape, self.prefix, tuple(levels))

    def _updating_level(
        self, level: int, children: Mapping[int, bytes]
    ) -> Generator[None, None, tuple[dict[int, bytes], dict[int, bytes]]]:
        """The nodes of a level once its children have new digests, and the new digests of those nodes."""
        bits, fanout, put = self.shape.bits, self.shape.fanout, _put_digest
        mask = fanout - 1
        by_parent: defaultdict[int, list[int]] = defaultdict(list)
        for child in children:
            by_parent[child >> bits].append(child)
        nodes = dict(self._levels[level])
        digests = {}
        for parent, changed in by_parent.items():
            node = bytearray(nodes.get(parent) or EMPTY * fanout)
            for child in changed:
                put(node, (child & mask) * DIGEST_SIZE, children[child])
            digests[parent] = inner_digest(self._full_path(level, parent), node_bytes := bytes(node))
            if digests[parent] == EMPTY:
                nodes.pop(parent, None)
            else:
                nodes[parent] = node_bytes
            yield
        return nodes, digests

    def _full_path(self, level: int, number: int) -> Path:
        bits, mask = self.shape.bits, self.shape.fanout - 1
        return self.prefix + tuple(number >> bits * above & mask for above in reversed(range(level)))

"""A table of live values with checkpoints that cost what changed since the last one, never the size of the table.

Reading is a dictionary look-up. Writing keeps, besides, the value that the key had at the newest checkpoint; that
one record is the list of what is dirty, the copy-on-write store of old checkpoints, and what the index learns new
keys from. `freeze` only starts a new record; hashing the dirty leaves comes after, in as many slices as one likes.

The unit of change is a value: a value that changed is copied once between two checkpoints (by its codec) and hashed
once a checkpoint, whole, with the other values of its leaf.

The order of the keys is (leaf number, key): a function of the contents alone, and so the same at a replica whose
table came by `install`. A value that has an order inside carries it in its canonical contents.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Generic

import msgspec

from quorate.errors import require
from quorate.messages.tree import EMPTY, Path, leaf_digest
from quorate.state.changes import Changes, Index
from quorate.state.codec import Codec, Value
from quorate.state.tree import HashTree, Shape

_decode_leaf = msgspec.msgpack.Decoder(list).decode
_KEYS_A_LEAF: Final = 3
"""A leaf is as much work as so many keys, besides those that it holds."""
_KEYS_A_NODE: Final = 30
"""And an inner node, with as many children as the shape's default has."""


class _Checkpoint(Generic[Value]):
    """A held checkpoint: its tree once that is hashed, and what changed since, up to the next checkpoint."""

    __slots__ = ("after", "sequence_number", "tree")

    def __init__(self, sequence_number: int, after: Changes[Value]) -> None:
        self.sequence_number = sequence_number
        self.after = after
        self.tree: HashTree | None = None


class Table(Generic[Value]):
    """Keys are bytes, values whatever *codec* knows. *prefix* is the table's path in the tree it is part of."""

    def __init__(self, codec: Codec[Value], shape: Shape | None = None, prefix: Path = ()) -> None:
        self._codec = codec
        self._encode = msgspec.msgpack.Encoder(enc_hook=codec.simplify).encode
        self._shape = shape or Shape()
        self._values: dict[bytes, Value] = {}
        self._changes: Changes[Value] = Changes()
        self._index = Index(self._shape)
        self._tree = HashTree(self._shape, prefix)
        self._held: list[_Checkpoint[Value]] = []
        self._sealed: Changes[Value] | None = None
        """What changed up to the newest checkpoint, while it is not sorted by leaf."""
        self._dropped: list[dict[bytes, Value | None]] = []
        """What checkpoints held that are released, while it is taken apart: so many values take their time to go."""
        self._dirty: list[int] = []
        """The leaves of the newest checkpoint that are not hashed yet."""
        self._hashed: dict[int, bytes] = {}
        self._update: Generator[None, None, HashTree] | None = None
        """The way to the tree of the newest checkpoint, once all its leaves are hashed."""
        self._record: dict[Path, bytes] | None = None
        """Where the contents of leaves are noted that changed."""
        self.get: Callable[[bytes], Value | None] = self._values.get
        """The value of a key, to look at and not to change: `modify` gives one that may be changed."""

    # Contents

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: bytes) -> bool:
        return key in self._values

    def put(self, key: bytes, value: Value) -> None:
        """Set the value of a key."""
        before = self._changes.before
        if key not in before:
            before[key] = self._values.get(key)
        self._values[key] = value

    def modify(self, key: bytes) -> Value | None:
        """The value of a key to be changed in place, None when the key is absent.

        It may be changed until the next call of `freeze`; the checkpoints that are held keep their own.
        """
        value = self._values.get(key)
        if value is not None and key not in self._changes.before:
            self._changes.before[key] = value
            self._values[key] = value = self._codec.copy(value)
        return value

    def delete(self, key: bytes) -> bool:
        """Remove a key; say whether it was there."""
        value = self._values.pop(key, None)
        if value is None:
            return False
        self._changes.before.setdefault(key, value)
        return True

    def clear(self) -> None:
        """Remove all keys."""
        before = self._changes.before
        for key, value in self._values.items():
            before.setdefault(key, value)
        self._values.clear()

    # Order

    def __iter__(self) -> Iterator[bytes]:
        """All keys in the table's order. The table must not change meanwhile."""
        cursor = 0
        while True:
            cursor, keys = self.scan(cursor, self._shape.fanout)
            yield from keys
            if not cursor:
                return

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """At least *count* keys (whole leaves) from *cursor* on, and the cursor that goes on; 0 begins and ends.

        A key that is there from the first call to the last is returned just once, whatever changes between. Keys and
        cursors follow from the contents alone: leaves that the index still knows, but whose keys are gone, are passed.
        """
        self._learn_new_keys()
        keys: list[bytes] = []
        while leaves := self._index.leaves_from(cursor):
            for leaf in leaves:
                found = [key for key in self._index.keys(leaf) if key in self._values]
                if found and len(keys) >= count:
                    return leaf, keys
                keys += found
            cursor = leaves[-1] + 1
            if cursor == self._shape.leaves:
                break
        return 0, keys

    def sample(self, place: int, count: int) -> list[bytes]:
        """Up to *count* or a few more keys that follow *place* (a number, any) in the order, which is a ring here."""
        place %= self._shape.leaves
        cursor, keys = self.scan(place, count)
        if cursor == 0 and len(keys) < count:
            keys += self.scan(0, count - len(keys))[1]
        return list(dict.fromkeys(keys))

    # Checkpoints

    def freeze(self, sequence_number: int) -> None:
        """Hold the present contents as a checkpoint. Takes a moment, whatever changed; hashing comes after."""
        self._hash_rest()
        del self._dropped[:-1]  # the last is taken apart while this one is hashed
        self._sealed = self._changes
        self._changes = Changes()
        self._held.append(_Checkpoint(sequence_number, self._changes))
        self._hashed = {}

    @property
    def is_hashed(self) -> bool:
        """Whether the digest of the newest checkpoint is known."""
        return not self._held or self._held[-1].tree is not None

    @property
    def unhashed(self) -> int:
        """How many keys or leaves of the newest checkpoint are not looked at yet; 0 when nothing is left to do."""
        if self._sealed is not None:
            return len(self._sealed.before)
        return len(self._dirty) or int(self._update is not None)

    def hash_some(self, effort: int) -> bool:
        """Hash some of the newest checkpoint: *effort* bounds the keys that are looked at, in leaves that changed all
        of theirs, and what counts as much. Say whether it is done."""
        if self.is_hashed:
            return True
        self._take_apart(effort)
        if self._sealed is not None:
            if self._sealed.group_some(self._index, effort):
                self._dirty = list(self._sealed.by_leaf(self._index))
                self._sealed = None
            return False
        if self._update is None:
            self._hash_leaves(effort)
            if not self._dirty:
                self._update = self._tree.updating(self._hashed)
            return False
        try:
            for _ in range(0, effort, _KEYS_A_NODE):
                next(self._update)
        except StopIteration as end:
            self._tree = self._held[-1].tree = end.value
            self._update = None
        return self._update is None

    def _take_apart(self, values: int) -> None:
        while self._dropped and values > 0:
            if self._dropped[-1]:
                self._dropped[-1].popitem()
            else:
                self._dropped.pop()
            values -= 1

    def record_changes(self, into: dict[Path, bytes]) -> None:
        """From now on put the contents of every leaf into *into* when it is hashed and has changed; none if it is
        gone. The caller takes them out."""
        self._record = into

    def digest(self, sequence_number: int) -> bytes:
        """The digest of a held checkpoint: the root of its tree."""
        self._hash_rest()
        position = self._position(sequence_number)
        require(position is not None, f"a digest is asked for checkpoints that are held, not {sequence_number}")
        tree = self._held[position or 0].tree
        return tree.digest if tree else EMPTY

    def checkpoint(self, sequence_number: int) -> bytes:
        """Freeze the contents and hash what changed: the two halves in one."""
        self.freeze(sequence_number)
        return self.digest(sequence_number)

    def revert(self) -> Collection[bytes]:
        """Go back to the newest checkpoint, or to the beginning; the keys that had changed since."""
        changed = self._changes.before
        for key, value in changed.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        self._changes = Changes()
        if self._held:
            self._held[-1].after = self._changes
        return changed

    def release(self, keep: Collection[int]) -> None:
        """Forget all checkpoints but those under the sequence numbers *keep* and the newest."""
        kept: list[_Checkpoint[Value]] = []
        for held in self._held:
            if held.sequence_number in keep or held is self._held[-1]:
                kept.append(held)
            elif not kept and held.after is not self._sealed:
                self._dropped.append(held.after.before)
            elif kept:
                # The older checkpoint goes on from here: what it had, it now has until the next one that is kept.
                for key, value in held.after.before.items():
                    kept[-1].after.before.setdefault(key, value)
        self._held = kept

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """The bytes of a node of a held checkpoint, none when nothing is below it; None when it is not held."""
        position = self._position(sequence_number)
        number = self._shape.number_of(path)
        if position is None or number is None:
            return None
        if position == len(self._held) - 1:
            self._hash_rest()
        tree = self._held[position].tree
        if len(path) == self._shape.levels:
            return self._old_leaf(number, position)
        return tree.node(path) if tree else None

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents of the given leaves (or empty subtrees), keep the others, forget all checkpoints and
        hold the result as the checkpoint *sequence_number*."""
        self._hash_rest()
        self._learn_new_keys()
        contents = [(path, self._checked_leaf(path, data)) for path, data in leaves.items()]
        bare: dict[int, bytes] = {}
        for path, _ in contents:
            for leaf in self._leaves_below(path):
                keys = list(self._index.keys(leaf))
                for key in keys:
                    self.delete(key)
                if not keys and self._tree.leaf_digest(leaf) != EMPTY:
                    bare[leaf] = EMPTY
        # Nothing changes in these, so nobody would hash them: their digest was damaged.
        self._tree = self._tree.updated(bare)
        for _, parts in contents:
            for key, value in zip(parts[::2], parts[1::2], strict=True):
                self.put(key, self._codec.restore(value))
        self._held.clear()
        self.checkpoint(sequence_number)

    # How it is done

    def _learn_new_keys(self) -> None:
        self._changes.by_leaf(self._index)

    def _position(self, sequence_number: int) -> int | None:
        for position, held in enumerate(self._held):
            if held.sequence_number == sequence_number:
                return position
        return None

    def _hash_rest(self) -> None:
        while not self.hash_some(sys.maxsize):
            pass

    def _hash_leaves(self, effort: int) -> None:
        """Hash leaves of the newest checkpoint; the index forgets the keys that are gone."""
        dirty, keys_of, present = self._dirty, self._index.keys, self._values.get
        path_of, hashed, record = self._shape.paths_below(self._tree.prefix), self._hashed, self._record
        since = self._changes.before
        before = since.get
        while dirty and effort > 0:
            leaf = dirty.pop()
            keys = keys_of(leaf)
            effort -= len(keys) + _KEYS_A_LEAF
            values = list(map(present, keys))
            if None in values:
                keys = tuple([key for key in keys if key in self._values or key in since])
                self._index.replace(leaf, keys)
                values = list(map(present, keys))
            if since:
                values = list(map(before, keys, values))
            path = path_of(leaf)
            contents = self._encoded(keys, values)
            hashed[leaf] = digest = leaf_digest(path, contents)
            if record is not None and digest != self._tree.leaf_digest(leaf):
                record[path] = contents

    def _encoded(self, keys: Sequence[bytes], values: list[Value | None]) -> bytes:
        """The canonical contents of a leaf; a key whose value is None is absent."""
        if None in values:
            keys = [key for key, value in zip(keys, values, strict=True) if value is not None]
            values = [value for value in values if value is not None]
        if len(keys) <= 1:  # as in most tables that are not large
            return self._encode([keys[0], values[0]]) if keys else b""
        return self._encode(list(chain.from_iterable(zip(keys, values, strict=True))))

    def _old_leaf(self, leaf: int, position: int) -> bytes:
        """The contents that a leaf had at a held checkpoint: the present ones with all later changes undone."""
        changes = [held.after for held in self._held[position:]]
        keys = set(self._index.keys(leaf))
        for change in changes:
            if change is self._changes or change is self._sealed:
                # A key that these changed and that was there before is in the index still.
                keys.update(change.sorted_of(leaf))
            else:
                keys.update(change.by_leaf(self._index).get(leaf, ()))
        values = dict(zip(keys, map(self._values.get, keys), strict=True))
        for change in reversed(changes):
            values.update((key, change.before[key]) for key in keys if key in change.before)
        present = sorted(keys)
        return self._encoded(present, [values[key] for key in present])

    def _checked_leaf(self, path: Path, data: bytes) -> list[Any]:
        """The keys and values of a leaf to be installed."""
        number = self._shape.number_of(path)
        require(number is not None, f"a table is installed at paths of its tree, not at {path}")
        if not data:
            return []
        contents = _decode_leaf(data)
        own = len(path) == self._shape.levels and all(self._shape.leaf_of(key) == number for key in contents[::2])
        require(own, f"the leaf {path} holds keys of its own partition only")
        return contents

    def _leaves_below(self, path: Path) -> range:
        span = self._shape.bits * (self._shape.levels - len(path))
        first = (self._shape.number_of(path) or 0) << span
        return range(first, first + (1 << span))

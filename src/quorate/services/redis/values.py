"""What a key of the Redis service holds, and its canonical contents.

A string is bytes, a hash a dict, a list a deque; sets and sorted sets have classes of their own. Hashes, lists and
sets have an order that commands let one see, so their canonical contents are in that order; a sorted set is in the
order of its scores and members, whatever its history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from quorate.services.redis.sorted_set import SortedSet

String = bytes
Hash = dict[bytes, bytes]
List = deque[bytes]

_LIST, _SET, _SORTED_SET = range(3)


class Entry(msgspec.Struct, array_like=True, gc=False):
    """What the table holds for a key. Changed in place only when it came from `Table.modify`."""

    value: Any
    version: int
    """Number of the operation that changed the key last."""
    deadline: int = 0
    """Agreed time, in milliseconds, after which the key is gone; 0 when it stays."""


class MemberSet:
    """A set of byte strings that gives any member in constant time, and whose order is the same at every replica.

    A new member goes to the end; the last one takes the place of one that is removed.
    """

    __slots__ = ("members", "positions")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        self.members = list(dict.fromkeys(members))
        self.positions = {member: position for position, member in enumerate(self.members)}

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, member: bytes) -> bool:
        return member in self.positions

    def copy(self) -> MemberSet:
        """Another set with the same members in the same order."""
        twin = MemberSet.__new__(MemberSet)
        twin.members = self.members.copy()
        twin.positions = self.positions.copy()
        return twin

    def add(self, member: bytes) -> bool:
        """Put a member in; say whether it is new."""
        if member in self.positions:
            return False
        self.positions[member] = len(self.members)
        self.members.append(member)
        return True

    def remove(self, member: bytes) -> bool:
        """Take a member out; say whether it was in."""
        position = self.positions.pop(member, None)
        if position is None:
            return False
        last = self.members.pop()
        if last != member:
            self.members[position] = last
            self.positions[last] = position
        return True


class EntryCodec:
    """Entries as a table sees them."""

    def simplify(self, part: Any) -> Any:
        """A container as plain data; strings and hashes are plain already."""
        match part:
            case deque():
                return (_LIST, list(part))
            case MemberSet():
                return (_SET, part.members)
            case SortedSet():
                return (_SORTED_SET, part.ordered)
            case _:
                raise TypeError(f"a key holds a {type(part).__name__}, which is no Redis value")

    def restore(self, data: Any) -> Entry:
        """The entry that was written as *data*."""
        value, version, deadline = data
        if isinstance(value, list):
            kind, items = value
            value = _RESTORE[kind](items)
        return Entry(value, version, deadline)

    def copy(self, value: Entry) -> Entry:
        """An entry whose value can be changed on its own."""
        contents = value.value
        return Entry(contents if type(contents) is bytes else contents.copy(), value.version, value.deadline)


_RESTORE: dict[int, Any] = {
    _LIST: deque,
    _SET: MemberSet,
    _SORTED_SET: lambda items: SortedSet((member, score) for score, member in items),
}


def type_name(value: object) -> bytes:
    """What TYPE answers for a value."""
    return _TYPE_NAMES[type(value)]


_TYPE_NAMES: dict[type, bytes] = {
    bytes: b"string",
    dict: b"hash",
    deque: b"list",
    MemberSet: b"set",
    SortedSet: b"zset",
}

"""The databases: keys with their values, versions and deadlines, on checkpointable tables."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from heapq import heapify, heappop, heappush
from typing import TypeVar

from quorate.messages.tree import Path
from quorate.services.redis.errors import WRONG_TYPE, CommandError, NeedsOrder
from quorate.services.redis.limits import EXPIRED_KEYS_A_STEP
from quorate.services.redis.operation import DATABASES
from quorate.services.redis.values import Entry, EntryCodec
from quorate.state import Forest, PlainCodec, Shape, Table

Kind = TypeVar("Kind")

_VOID_DEADLINES = 1000
"""So many deadlines that are no longer may be kept, besides as many as there are."""


class Clock:
    """What all databases must know about the operation that runs."""

    __slots__ = ("milliseconds", "querying", "version")

    def __init__(self) -> None:
        self.milliseconds = 0
        """Agreed time."""
        self.version = 0
        """Number of the operation: the version that it gives to the keys that it changes."""
        self.querying = False
        """Whether the operation is a query, which has no time and changes nothing."""


class Database:
    """One numbered database. A key whose deadline has passed is gone for every command, removed or not.

    `read` gives a value to look at; `change` gives one that may be changed in place, and gives the key a new version.
    """

    def __init__(self, number: int, clock: Clock, deadlines: Deadlines) -> None:
        self.number = number
        self.table: Table[Entry] = Table(EntryCodec(), prefix=(number,))
        self.deadlines: dict[bytes, int] = {}
        """The keys that have a deadline: derived from the table, so that they need no search."""
        self._clock = clock
        self._schedule = deadlines
        self._get = self.table.get

    def find(self, key: bytes) -> Entry | None:
        """The entry of a key, to look at."""
        entry = self._get(key)
        if entry is None or not entry.deadline:
            return entry
        if self._clock.querying:
            raise NeedsOrder
        if self._clock.milliseconds <= entry.deadline:
            return entry
        self.delete(key)
        return None

    def read(self, key: bytes, kind: type[Kind]) -> Kind | None:
        """The value of a key, which must be of a kind, to look at; None when the key is absent."""
        entry = self.find(key)
        if entry is None:
            return None
        if type(entry.value) is not kind:
            raise CommandError(WRONG_TYPE)
        value: Kind = entry.value
        return value

    def change(self, key: bytes, kind: type[Kind]) -> Kind | None:
        """The value of a key, to be changed in place; only for a change that does happen. Deadlines stay."""
        if self.read(key, kind) is None:
            return None
        value: Kind = self._own(key).value
        return value

    def change_or_create(self, key: bytes, kind: type[Kind]) -> Kind:
        """The value of a key, to be changed in place; a new empty one when the key is absent."""
        value = self.change(key, kind)
        if value is None:
            value = kind()
            self.put(key, value)
        return value

    def take(self, key: bytes) -> Entry | None:
        """Remove a key and give what it held, for another key to hold."""
        if self.find(key) is None:
            return None
        # One's own copy: checkpoints may hold the value, and its next key would change it in place.
        entry = self._own(key)
        self.delete(key)
        return entry

    def put(self, key: bytes, value: object, deadline: int = 0) -> None:
        """Set the value of a key, and its deadline."""
        if deadline:
            self.deadlines[key] = deadline
            self._schedule.add(deadline, self.number, key)
        elif self.deadlines:
            self.deadlines.pop(key, None)
        self.table.put(key, Entry(value, self._clock.version, deadline))

    def replace(self, key: bytes, value: object) -> None:
        """Set the value of a key that keeps the deadline it may have."""
        self.table.put(key, Entry(value, self._clock.version, self.deadlines.get(key, 0)))

    def set_deadline(self, key: bytes, deadline: int) -> None:
        """Give a key that is there another deadline, or none (0)."""
        self._own(key).deadline = deadline
        if deadline:
            self.deadlines[key] = deadline
            self._schedule.add(deadline, self.number, key)
        else:
            self.deadlines.pop(key, None)

    def delete(self, key: bytes) -> bool:
        """Remove a key; say whether the table held it. A caller that tells a client looks with `find` first."""
        if self.deadlines:
            self.deadlines.pop(key, None)
        return self.table.delete(key)

    def delete_if_empty(self, key: bytes, value: Sized) -> None:
        """Remove a key whose last element is gone: Redis has no empty containers."""
        if not value:
            self.delete(key)

    def clear(self) -> None:
        """Remove all keys."""
        if self.deadlines:
            self.deadlines.clear()
            self._schedule.rebuild()
        self.table.clear()

    def settle(self) -> None:
        """Before a command looks at all keys: remove those that expired, or have the command ordered."""
        if self.deadlines:
            if self._clock.querying:
                raise NeedsOrder
            self._schedule.settle()

    def _own(self, key: bytes) -> Entry:
        """The entry of a key that is there, to be changed in place, with its new version."""
        entry = self.table.modify(key)
        if entry is None:
            raise KeyError(key)
        entry.version = self._clock.version
        return entry

    def revert(self) -> None:
        """Go back to the newest checkpoint."""
        for key in self.table.revert():
            entry = self.table.get(key)
            if entry is not None and entry.deadline:
                self.deadlines[key] = entry.deadline
                self._schedule.add(entry.deadline, self.number, key)
            else:
                self.deadlines.pop(key, None)

    def learn_deadlines(self) -> None:
        """Derive `deadlines` anew from a table that was installed."""
        self.deadlines.clear()
        for key in self.table:
            entry = self.table.get(key)
            if entry is not None and entry.deadline:
                self.deadlines[key] = entry.deadline


class Deadlines:
    """All keys that expire, in the order of their deadlines, whatever the history of the replica."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._databases: list[Database] = []
        self._heap: list[tuple[int, int, bytes]] = []
        """May name deadlines that are no longer; one that holds is what its database says."""
        self._most = _VOID_DEADLINES
        """The size of the heap from which on it is worth looking for those that are no longer."""

    def __bool__(self) -> bool:
        return bool(self._heap)

    def watch(self, databases: list[Database]) -> None:
        """Learn the deadlines of these databases, and of no others."""
        self._databases = databases
        self.rebuild()

    def add(self, deadline: int, database: int, key: bytes) -> None:
        """Note that a key expires."""
        heappush(self._heap, (deadline, database, key))
        if len(self._heap) > self._most:
            self.rebuild()

    def next(self) -> int | None:
        """The earliest deadline in milliseconds."""
        heap = self._heap
        while heap and not self._holds(*heap[0]):
            heappop(heap)
        return heap[0][0] if heap else None

    def purge(self, most: int) -> None:
        """Remove up to so many keys that expired, those first that expired first."""
        for _ in range(most):
            deadline = self.next()
            if deadline is None or deadline >= self._clock.milliseconds:
                return
            _, database, key = heappop(self._heap)
            self._databases[database].delete(key)

    def settle(self) -> None:
        """Remove all keys that expired."""
        self.purge(len(self._heap))

    def _holds(self, deadline: int, database: int, key: bytes) -> bool:
        return self._databases[database].deadlines.get(key) == deadline

    def rebuild(self) -> None:
        """Drop the deadlines that are no longer."""
        self._heap = [
            (deadline, database.number, key)
            for database in self._databases
            for key, deadline in database.deadlines.items()
        ]
        heapify(self._heap)
        self._most = 2 * len(self._heap) + _VOID_DEADLINES


class Keyspace:
    """All databases, under one checkpoint tree: a table each, and a last one for what concerns the whole."""

    _VERSION = b"version"

    def __init__(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.databases = [Database(number, self.clock, self.deadlines) for number in range(DATABASES)]
        self.deadlines.watch(self.databases)
        self._whole: Table[int] = Table(PlainCodec(), Shape(bits=1, levels=1), prefix=(DATABASES,))
        self._forest = Forest([*(database.table for database in self.databases), self._whole])
        self.digest = self._forest.digest
        self.release = self._forest.release
        self.fetch = self._forest.fetch
        self.record_changes = self._forest.record_changes

    def begin(self, microseconds: int) -> None:
        """A new operation at an agreed time: it has the next version, and some expired keys go."""
        self.clock.milliseconds = microseconds // 1000
        self.clock.version += 1
        if self.deadlines:
            self.deadlines.purge(EXPIRED_KEYS_A_STEP)

    def freeze(self, sequence_number: int) -> None:
        """Hold the present contents as a checkpoint; `digest` hashes it."""
        self._whole.put(self._VERSION, self.clock.version)
        self._forest.freeze(sequence_number)

    def revert(self) -> None:
        """Go back to the newest checkpoint."""
        for database in self.databases:
            database.revert()
        self._whole.revert()
        self.clock.version = self._whole.get(self._VERSION) or 0

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents of the given leaves and hold the result as the checkpoint *sequence_number*."""
        self._whole.put(self._VERSION, self.clock.version)
        self._forest.install(sequence_number, leaves)
        self.clock.version = self._whole.get(self._VERSION) or 0
        for database in self.databases:
            database.learn_deadlines()
        self.deadlines.watch(self.databases)

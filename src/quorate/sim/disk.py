"""A replica's disk: bytes with checksums behind the records that the core sees, and what befalls them.

What was synced lies in a table, one frame a key. What was written since lies in a log behind it. A crash leaves any
part of that log: nothing promised it yet (a lost tail). A frame that was being written is half there then; its checksum
says so, and it counts as not written (a torn write). A frame of the table that is not as it was written (bit rot) is
another matter: what was promised is gone, and the votes of this disk are lost.

Beside the records it keeps the service's part of each checkpoint, as a durable service would: written in one frame with
the checkpoint's record, and kept in one of its own. When that one rots, no vote is lost: the state is not there.
"""

from __future__ import annotations

from random import Random
from struct import Struct as Layout
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Struct

from quorate.core.ports import Service
from quorate.messages.records import (
    CheckpointRecord,
    Forget,
    KeyRecord,
    Record,
    RecoveryRecord,
    StableRecord,
    ViewRecord,
)
from quorate.messages.tree import EMPTY, NodeKind, Path, child_digests, kind_of_node

Leaves = dict[Path, bytes]

_HEADER: Final = Layout(">II")
"""The size of a frame's body, and its checksum."""
_NEVER: Final = 1 << 63
_STATE: Final = "state"


class BitRotFound(Exception):
    """A frame that was synced is not as it was written."""


class Stored(Struct, frozen=True, array_like=True):
    """The body of a frame."""

    record: Record
    leaves: list[tuple[Path, bytes]]
    """The service's part, of a checkpoint."""


class Contents(NamedTuple):
    """What a process finds when it starts."""

    records: list[Record]
    state: tuple[int, Leaves] | None
    """The service's part of the stable checkpoint."""
    damage: str | None
    """What is not as it was written, though no vote is lost."""


class _Frame(NamedTuple):
    """A frame of the table."""

    forgotten_by: int
    """The least sequence number whose `Forget` drops it."""
    data: bytes


class Disk:
    """One disk: it outlives the processes that write to it."""

    def __init__(self, random: Random, longest_sync: int = 0) -> None:
        self.longest_sync = longest_sync
        """A sync takes up to that much, in microseconds."""
        self.is_full = False
        self._random = random
        self._staged: dict[int, Leaves] = {}
        self._table: dict[tuple[object, ...], _Frame] = {}
        self._log: list[tuple[Record, bytes]] = []
        self._left = b""
        """What a crash left of the log."""

    # A process that runs

    def stage(self, sequence_number: int, leaves: Leaves) -> None:
        """A process froze a state. It is written with the checkpoint's record."""
        self._staged[sequence_number] = leaves

    def write(self, record: Record) -> None:
        """Write a record. It is safe after the next sync."""
        leaves: Leaves = {}
        if isinstance(record, CheckpointRecord):
            leaves = self._staged.pop(record.sequence_number, leaves)
            self._staged = {number: kept for number, kept in self._staged.items() if number > record.sequence_number}
        self._log.append((record, _frame(Stored(record, list(leaves.items())))))

    @property
    def is_dirty(self) -> bool:
        """Whether something was written since the last sync."""
        return bool(self._log)

    def next_sync(self) -> int:
        """How long the sync that begins now is going to take."""
        return int(self._random.random() * (self.longest_sync + 1)) if self.longest_sync else 0

    def sync(self) -> list[Record]:
        """A sync comes to its end: what was written is safe. Says what that was."""
        for record, data in self._log:
            self._apply(record, data)
        records = [record for record, _ in self._log]
        self._log.clear()
        return records

    # What befalls it

    def crash(self, kept: float) -> str | None:
        """The process dies, and this share of the bytes that were not synced is there. The name of what that did."""
        log = b"".join(data for _, data in self._log)
        self._left = log[: int(len(log) * kept)]
        is_torn = sum(len(data) for _, data in _intact(self._left)) < len(self._left)
        self._log.clear()
        self._staged.clear()
        if is_torn:
            return "torn write"
        return "lost tail" if len(self._left) < len(log) else None

    def rot(self, place: float) -> bool:
        """One bit changes, at this share of all bytes that are safe; whether there are any."""
        at = int(place * sum(len(frame.data) for frame in self._table.values()))
        for key, (forgotten_by, data) in self._table.items():
            if at < len(data):
                self._table[key] = _Frame(forgotten_by, data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
                return True
            at -= len(data)
        return False

    # A process that starts

    def read(self) -> Contents:
        """What is there. Raises BitRotFound when something that was safe is damaged."""
        for stored, data in _intact(self._left):
            self._apply(stored.record, data)
        self._left = b""
        records = [self._read(key, frame).record for key, frame in self._table.items() if key[0] != _STATE]
        stable = next((record.sequence_number for record in records if isinstance(record, StableRecord)), 0)
        frame = self._table.get((_STATE, stable))
        if frame is None:
            return Contents(records, None, None)
        try:
            return Contents(records, (stable, dict(self._read((_STATE, stable), frame).leaves)), None)
        except BitRotFound as error:
            return Contents(records, None, str(error))

    def _apply(self, record: Record, data: bytes) -> None:
        if isinstance(record, Forget):
            number = record.sequence_number
            self._table = {key: frame for key, frame in self._table.items() if frame.forgotten_by > number}
        elif isinstance(record, CheckpointRecord):
            last = _forgotten_by(record)
            self._table[record.key()] = _Frame(last, _frame(Stored(record, [])))
            self._table[_STATE, record.sequence_number] = _Frame(last, data)
        else:
            self._table[record.key()] = _Frame(_forgotten_by(record), data)

    def _read(self, key: tuple[object, ...], frame: _Frame) -> Stored:
        for stored, data in _intact(frame.data):
            if len(data) == len(frame.data):
                return stored
        raise BitRotFound(f"the {key[0]} is not as it was written")


def _frame(stored: Stored) -> bytes:
    body = msgspec.msgpack.encode(stored)
    return _HEADER.pack(len(body), crc32(body)) + body


def _intact(log: bytes) -> list[tuple[Stored, bytes]]:
    """The frames up to the first one that is not whole."""
    found, at = [], 0
    while len(log) - at >= _HEADER.size:
        size, checksum = _HEADER.unpack_from(log, at)
        end = at + _HEADER.size + size
        body = log[at + _HEADER.size : end]
        if end > len(log) or crc32(body) != checksum:
            break
        found.append((msgspec.msgpack.decode(body, type=Stored), log[at:end]))
        at = end
    return found


def _forgotten_by(record: Record) -> int:
    """View, stable checkpoint, keys and recovery are of no one sequence number; the stable checkpoint is kept."""
    if isinstance(record, ViewRecord | StableRecord | KeyRecord | RecoveryRecord):
        return _NEVER
    return record.sequence_number + 1 if isinstance(record, CheckpointRecord) else record.sequence_number


def leaves_of(service: Service, sequence_number: int, digest: bytes) -> Leaves:
    """All leaves of a checkpoint that *service* holds under the root *digest*, but for what changed behind its back:
    that is missing on the disk, and whoever starts from it notices (DISK-4)."""
    leaves: Leaves = {}
    unread: list[tuple[Path, bytes]] = [((), digest)]
    while unread:
        path, digest = unread.pop()
        data = service.fetch(sequence_number, path)
        if not data:
            continue
        kind = kind_of_node(path, data, digest)
        if kind is NodeKind.LEAF:
            leaves[path] = data
        elif kind is NodeKind.INNER:
            unread += [((*path, child), part) for child, part in enumerate(child_digests(data)) if part != EMPTY]
    return leaves

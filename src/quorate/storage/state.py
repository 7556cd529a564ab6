"""The service's state at its checkpoints, on disk: each checkpoint appends the leaves that changed, and no others.

The files are segments `state-1.log`, `state-2.log` and so on, read in order. What is superseded becomes garbage; when
there is more of it than of the rest, the leaves that still live in the oldest segment are written once more with the
next checkpoint, and the segment is dropped once that checkpoint is stable. So the cost of a checkpoint stays in
proportion to what changed, and the files to what there is. All calls come from one thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from quorate.messages.tree import Path
from quorate.storage.log_file import ROOM_BYTES, STATE, LogFile, Owner, read_log_file, replace_file
from quorate.storage.patrol import Damage, Patrol

SEGMENT_BYTES: Final = 16 << 20
"""A segment past this gets no further checkpoint."""
GARBAGE_BYTES: Final = 16 << 20
"""Garbage that is never worth collecting."""
COPY_BYTES: Final = 1 << 20
"""How much of the oldest segment is written once more with a checkpoint, or as much as the checkpoint itself has."""
REPAIR_BYTES: Final = 8 << 20
"""How much is written once more with a checkpoint when a segment is damaged."""
_GROUP_BYTES: Final = 256 << 10
_NEW_FILE: Final = "state.new"
_NAME: Final = re.compile(r"state-([0-9]+)\.log")

Leaves = dict[Path, bytes]


class Leaf(Struct, frozen=True, array_like=True, tag=1):
    """The contents of a leaf from the next version on; empty when it is gone."""

    path: Path
    contents: bytes


class Version(Struct, frozen=True, array_like=True, tag=2):
    """The leaves so far are the state at this sequence number. `oldest` is the oldest segment that they stand in."""

    sequence_number: int
    oldest: int


class Rewind(Struct, frozen=True, array_like=True, tag=3):
    """What follows is based on this version; what stands before it and is newer does not count."""

    sequence_number: int


Entry = Leaf | Version | Rewind
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Entry]).decode


class Loaded(NamedTuple):
    """What the files hold of a version."""

    leaves: Leaves
    damage: str | None
    """The file that is damaged, and how. The leaves may be right all the same: their root tells."""


class StateLog:
    """The segments of one replica."""

    def __init__(
        self,
        folder: FilePath,
        owner: Owner,
        segment_bytes: int = SEGMENT_BYTES,
        garbage_bytes: int = GARBAGE_BYTES,
        room: int = ROOM_BYTES,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._segment_bytes = segment_bytes
        self._garbage_bytes = garbage_bytes
        self._room = room
        self._file: LogFile | None = None
        self._newest = 0
        self._version = 0
        self._used: dict[int, int] = {}
        """The bytes of every segment that there is."""
        self._home: dict[Path, int] = {}
        """The segment that each leaf's present contents stand in."""
        self._live: dict[int, dict[Path, int]] = {}
        """For each segment the leaves that live in it, with their sizes."""
        self._live_bytes = 0
        self._patrol = Patrol(STATE)
        self._damaged: set[int] = set()
        """Segments that are damaged. What lives in them, and in older ones, is to be written once more."""
        self._freed: list[tuple[int, int]] = []
        """Segments without live leaves, and the version from which on they are not needed."""

    def load(self, sequence_number: int) -> Loaded:
        """The state at a version that was stable. Raises what `read_log_file` raises, but FileNotFoundError."""
        numbers = sorted(self._numbers())
        self._newest = max(numbers, default=0)
        history = _History()
        damages: list[str] = []
        for number in numbers:
            groups, damage = read_log_file(self._path(number), STATE, self._owner, number)
            self._used[number] = self._path(number).stat().st_size
            damage = history.read(number, groups) or damage
            if damage is not None:
                damages.append(f"{self._path(number)}: {damage}")
        leaves, homes, oldest = history.at(sequence_number)
        damages += [
            f"{self._path(number)}: is missing" for number in range(oldest, self._newest) if number not in numbers
        ]
        if sequence_number and sequence_number not in history.versions:
            damages.append(f"{self._folder}: holds no state for sequence number {sequence_number}")
        for path, contents in leaves.items():
            self._settle_in(path, homes[path], len(contents))
        self._version = sequence_number
        return Loaded(leaves, damages[0] if damages else None)

    def write(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> list[Path]:
        """Add the version in which *leaves* differ from the one before; it is on disk when this returns. The leaves
        that it asks for are to be among those of the next version, changed or not: their segment is to be dropped.

        After an OSError the same call is to be made again: it begins a new segment."""
        try:
            if self._file is None or self._file.used > self._segment_bytes:
                self._begin_segment()
            assert self._file is not None
            for group in _groups(leaves):
                self._file.append(_encode(group))
            for path, contents in leaves.items():
                self._move(path, len(contents))
            oldest = min((number for number, sizes in self._live.items() if sizes), default=self._newest)
            self._file.append(_encode([Version(sequence_number, oldest)]))
            self._file.sync()
        except OSError:
            self.close()
            raise
        self._used[self._newest] = self._file.used
        self._version = sequence_number
        dead = [number for number in self._used if number != self._newest and not self._live.get(number)]
        self._freed += [(sequence_number, number) for number in dead if all(number != one for _, one in self._freed)]
        return self._to_be_copied(sum(map(len, leaves.values())))

    def stabilise(self, sequence_number: int) -> None:
        """This version will never be gone behind: drop the oldest segments, as far as it needs none of them."""
        needless = {number for version, number in self._freed if version <= sequence_number}
        for number in sorted(self._used):
            if number not in needless:
                return
            self._path(number).unlink(missing_ok=True)
            del self._used[number]
            self._damaged.discard(number)
            self._freed = [(version, other) for version, other in self._freed if other != number]

    def look(self, size: int) -> Damage | None:
        """Read the next piece of the segments. What lives in one that is damaged is asked for by `write` until all of
        it stands elsewhere; then the segment goes, with the older ones."""
        whole = {self._path(number): self._used[number] for number in sorted(self._used) if number not in self._damaged}
        damage = self._patrol.look(whole, size)
        if damage is None:
            return None
        number = next(number for number in self._used if self._path(number) == damage.path)
        self._damaged.add(number)
        if number == self._newest:
            self.close()
        return damage

    def close(self) -> None:
        """Write to the present segment no more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _numbers(self) -> list[int]:
        return [int(match[1]) for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name))]

    def _path(self, number: int) -> FilePath:
        return self._folder / f"state-{number}.log"

    def _begin_segment(self) -> None:
        self.close()
        number = self._newest + 1
        new = self._folder / _NEW_FILE
        self._file = LogFile(new, STATE, self._owner, number, self._room)
        self._file.append(_encode([Rewind(self._version)]))
        self._file.sync()
        replace_file(new, self._path(number))
        self._newest = number
        self._used[number] = self._file.used

    def _settle_in(self, path: Path, number: int, size: int) -> None:
        self._home[path] = number
        self._live.setdefault(number, {})[path] = size
        self._live_bytes += size

    def _move(self, path: Path, size: int) -> None:
        number = self._home.pop(path, None)
        if number is not None:
            self._live_bytes -= self._live[number].pop(path)
        if size:
            self._settle_in(path, self._newest, size)

    def _to_be_copied(self, written: int) -> list[Path]:
        doubtful = [number for number in sorted(self._used) if number <= max(self._damaged, default=0)]
        if lost := [(path, size) for number in doubtful for path, size in self._live.get(number, {}).items()]:
            return _first(lost, max(REPAIR_BYTES, written))
        if sum(self._used.values()) <= 2 * self._live_bytes + self._garbage_bytes:
            return []
        oldest = next((number for number in sorted(self._used) if self._live.get(number)), self._newest)
        if oldest == self._newest:
            return []
        return _first(self._live[oldest].items(), max(COPY_BYTES, written))


class _History:
    """What the segments say, version by version."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, int, dict[Path, tuple[bytes, int]]]] = []
        self._pending: dict[Path, tuple[bytes, int]] = {}

    @property
    def versions(self) -> set[int]:
        return {number for number, _, _ in self._changes}

    def read(self, segment: int, groups: list[bytes]) -> str | None:
        """Go on with the groups of the next segment; what is wrong with them."""
        damage = None
        for group in groups:
            try:
                entries = _decode(group)
            except msgspec.DecodeError as error:
                damage = f"holds something else than state: {error}"
                continue
            for entry in entries:
                self._take(segment, entry)
        return damage

    def _take(self, segment: int, entry: Entry) -> None:
        match entry:
            case Leaf(path, contents):
                self._pending[path] = (contents, segment)
            case Version(sequence_number, oldest):
                self._changes.append((sequence_number, oldest, self._pending))
                self._pending = {}
            case Rewind(sequence_number):
                del self._changes[self._end_of(sequence_number) :]
                self._pending = {}

    def _end_of(self, sequence_number: int) -> int:
        """Where the version ends that was written last under this number: what was fetched may be written behind a
        later one, of which others have vouched for nothing."""
        ends = (end for end in range(len(self._changes), 0, -1) if self._changes[end - 1][0] == sequence_number)
        return next(ends, 0)

    def at(self, sequence_number: int) -> tuple[Leaves, dict[Path, int], int]:
        """The leaves at a version, where each stands, and the oldest segment that it needs."""
        leaves: Leaves = {}
        homes: dict[Path, int] = {}
        first = 1
        for _, oldest, changed in self._changes[: self._end_of(sequence_number)]:
            first = oldest
            for path, (contents, segment) in changed.items():
                if contents:
                    leaves[path], homes[path] = contents, segment
                else:
                    leaves.pop(path, None)
        return leaves, homes, first


def _first(leaves: Iterable[tuple[Path, int]], room: int) -> list[Path]:
    """The first of some leaves, as many as there is room for, and one more."""
    chosen: list[Path] = []
    for path, size in leaves:
        chosen.append(path)
        room -= size
        if room < 0:
            break
    return chosen


def _groups(leaves: Mapping[Path, bytes]) -> Iterator[list[Leaf]]:
    group: list[Leaf] = []
    size = 0
    for path, contents in leaves.items():
        group.append(Leaf(path, contents))
        size += len(contents)
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group

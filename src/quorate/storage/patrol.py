"""Reading files that are in use, a piece at a time, to see whether they are still as they were written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from quorate.storage.log_file import Kind, check_header
from quorate.storage.sectors import SECTOR, is_sector


class Damage(NamedTuple):
    """What is wrong with a file."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


class Patrol:
    """Goes round the files of one kind. Who calls it sees to it that nobody writes meanwhile."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._present: Path | None = None
        self._offset = 0
        self._blank_at: int | None = None
        """The first sector of the present file in which nothing is written."""
        self.rounds = 0
        """How often all files were read."""

    def look(self, files: Mapping[Path, int], size: int) -> Damage | None:
        """Read the next piece of *files*, which are in order, each with its length, and say what is wrong with it. A
        file that is damaged is not read on; whoever still names it has it read again in the next round."""
        names = list(files)
        if not names:
            return None
        if self._present not in files:
            self._begin(names[0])
        path = self._present
        assert path is not None
        try:
            what = self._read(path, min(size, files[path] - self._offset))
        except FileNotFoundError:
            what = "is missing"
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
        if what is not None or self._offset >= files[path]:
            following = names.index(path) + 1
            self.rounds += following == len(names)
            self._begin(names[following % len(names)])
        return None if what is None else Damage(path, what)

    def _begin(self, path: Path) -> None:
        self._present, self._offset, self._blank_at = path, self._kind.sector, None

    def _read(self, path: Path, size: int) -> str | None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # From the disk, not from the memory that the system keeps of it.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            header = os.pread(descriptor, self._kind.sector, 0)
            data = os.pread(descriptor, size, self._offset) if size > 0 else b""
        finally:
            os.close(descriptor)
        number, what = check_header(header[:SECTOR], header[SECTOR:])
        if what is None and len(data) < size:
            what = "its end was cut off"
        return what or self._check(number, data)

    def _check(self, number: int, data: bytes) -> str | None:
        sector = self._kind.sector
        blank = bytes(sector)
        for start in range(0, len(data), sector):
            raw = data[start : start + sector]
            place = (self._offset + start) // sector
            if raw == blank:
                self._blank_at = place if self._blank_at is None else self._blank_at
            elif not is_sector(number, raw):
                return f"sector {place} is rotten"
            elif self._blank_at is not None:
                return f"sector {self._blank_at} is blank"
        self._offset += len(data)
        return None

"""One file of groups: a header that says whose it is, then checksummed sectors that are written once, in order."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Final, NamedTuple
from zlib import crc32

from quorate.errors import ConfigurationError, StorageDamaged
from quorate.storage.sectors import SECTOR, Contents, decode_sectors, encode_group

FORMAT: Final = 2
"""The version of the files. Any other is refused; the magic, the version and the checksum stay where they are. In
version 1, of before the first release, a checkpoint had no access table."""
_MAGIC: Final = b"\x89quorate"
_HEADER: Final = Struct(">8sII8s16s16s32sQI")
"""Magic, checksum, version; then of this version: kind, cluster, incarnation, public key, place, the file's number."""
_CHECKSUM: Final = slice(8, 12)
ROOM_BYTES: Final = 1 << 20
"""Room is made in steps of this: a commit that makes none has no change of the file's size to write down."""


class Kind(NamedTuple):
    """What is in a file, and in sectors of what size."""

    name: str
    sector: int


VOTES: Final = Kind("votes", SECTOR)
STATE: Final = Kind("state", 8 * SECTOR)


class Owner(NamedTuple):
    """Whose files these are: one replica, in one history of one cluster."""

    cluster: bytes
    incarnation: bytes
    public_key: bytes


class LogFile:
    """A file that is open for appending. Any OSError leaves it in doubt: it is not to be used any more."""

    def __init__(self, path: Path, kind: Kind, owner: Owner, place: int = 0, room: int = ROOM_BYTES) -> None:
        """Make the file; whatever stood at *path* is gone. It is on disk once `sync` has returned."""
        self.path: Final = path
        self._sector = kind.sector
        self._room = room
        self._closing = Lock()
        self._number = secrets.randbits(32)
        self._groups = 0
        self._known = 0
        self._size = 0
        self.used = 0
        """Bytes that are written, without the room that is kept."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self._write(_encode_header(kind.name, owner, place, self._number).ljust(kind.sector, b"\0"))
        except BaseException:
            self.close()
            raise

    def append(self, data: bytes) -> None:
        """Write a group. A crash of the process does not undo it, one of the machine may until `sync` has returned."""
        self._write(encode_group(self._number, self._groups + 1, self._known, data, self._sector))
        self._groups += 1

    def sync(self) -> None:
        """See that everything so far is on disk."""
        groups = self._groups
        with self._closing:
            if self._descriptor >= 0:
                os.fdatasync(self._descriptor)
        self._known = groups

    def close(self) -> None:
        """No more. Waits for a `sync` of another thread."""
        with self._closing:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, sectors: bytes) -> None:
        lacking = self.used + len(sectors) + self._sector - self._size
        if lacking > 0:
            # The file grows, for good, before anything is written there: a file without a zero sector was cut off.
            more = -(-lacking // self._room) * self._room
            os.posix_fallocate(self._descriptor, self._size, more)
            os.fdatasync(self._descriptor)
            self._size += more
        view = memoryview(sectors)
        while view:
            written = os.pwrite(self._descriptor, view, self.used)
            self.used += written
            view = view[written:]


def read_log_file(path: Path, kind: Kind, owner: Owner, place: int = 0) -> tuple[list[bytes], str | None]:
    """The groups of a file, and what is damaged: with damage they are not all, without they are all that count.

    Raises FileNotFoundError, and ConfigurationError when the file may not be read, is of another version, of another
    kind or of another owner: then nothing is wrong with it, but somebody has to see to it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; give it to the user that runs it") from None
    except OSError as error:
        return [], f"it cannot be read: {error.strerror}"
    header, rest = data[:SECTOR], data[SECTOR : kind.sector]
    number, damage = check_header(header, rest)
    if damage is not None:
        return [], damage
    _, _, version, *identity, _ = _HEADER.unpack_from(header)
    if version != FORMAT:
        remedy = _OLDER_REMEDY if version < FORMAT else "use a newer version"
        raise ConfigurationError(
            f"{path} has format {version}; this version of Quorate reads format {FORMAT}: {remedy}"
        )
    wanted = [kind.name.encode().ljust(8, b"\0"), *owner, place]
    if identity != wanted:
        raise ConfigurationError(f"{path} is not this replica's: {_difference(identity, wanted)}; {_FOREIGN_REMEDY}")
    contents: Contents = decode_sectors(number, data[kind.sector :], kind.sector)
    return [group for _, group in contents.groups], contents.damage


def replace_file(new: Path, path: Path) -> None:
    """Let *new*, which is on disk, take the place of *path*, for good."""
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def damaged(path: Path, damage: str) -> StorageDamaged:
    """The error that names the file."""
    return StorageDamaged(f"{path}: {damage}")


_OLDER_REMEDY: Final = "use the version that wrote it, or begin with an empty cluster: quorate up --fresh"
_FOREIGN_REMEDY: Final = "move it away, and put back the file that belongs there"
_FIELDS: Final = ("its kind", "its cluster", "its incarnation", "its replica", "its place among such files")


def _encode_header(kind: str, owner: Owner, place: int, number: int) -> bytes:
    fields = (_MAGIC, 0, FORMAT, kind.encode(), *owner, place, number)
    header = bytearray(_HEADER.pack(*fields).ljust(SECTOR, b"\0"))
    header[_CHECKSUM] = crc32(header).to_bytes(4, "big")
    return bytes(header)


def check_header(header: bytes, rest: bytes) -> tuple[int, str | None]:
    """The file's number, or what is wrong with it. The checksum is made with zeros in its own place; what is left of
    its sector is zero."""
    if len(header) < SECTOR:
        return 0, "its end was cut off"
    stated = int.from_bytes(header[_CHECKSUM], "big")
    blank = header[: _CHECKSUM.start] + bytes(4) + header[_CHECKSUM.stop :]
    if header[:8] != _MAGIC or crc32(blank) != stated or any(rest):
        return 0, "its header is rotten, or it is no file of Quorate's"
    return _HEADER.unpack_from(header)[-1], None


def _difference(found: Sequence[object], wanted: Sequence[object]) -> str:
    return next(f"{field} is another" for field, one, other in zip(_FIELDS, found, wanted, strict=True) if one != other)

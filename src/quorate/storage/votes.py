"""A journal on disk: one file, to which each commit appends a group of records; written anew when it has grown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from quorate.messages.records import Record
from quorate.storage.log_file import ROOM_BYTES, VOTES, LogFile, Owner, damaged, read_log_file, replace_file
from quorate.storage.memory import MemoryJournal
from quorate.storage.patrol import Damage, Patrol

VOTES_FILE: Final = "votes.log"
_NEW_FILE: Final = "votes.new"
REWRITE_BYTES: Final = 8 << 20
"""A file is written anew when it has grown past this, and past twice what it was when it was new."""
_GROUP_BYTES: Final = 1 << 20

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Record]).decode


class FileJournal:
    """Keeps the latest record of every key, in memory to be looked at and on disk to last.

    After an OSError nobody knows what of the file is on disk, and asking the system again may be answered with a lie:
    `rewrite` puts all that is kept, what failed too, into a new file, which then takes the place of the old one.
    """

    def __init__(self, folder: Path, owner: Owner, is_synced: bool = True, room: int = ROOM_BYTES) -> None:
        self.path: Final = folder / VOTES_FILE
        self._owner = owner
        self._is_synced = is_synced
        self._room = room
        self._kept = MemoryJournal()
        self._patrol = Patrol(VOTES)
        self._file: LogFile | None = None
        self._is_in_doubt = False
        self._rewrite_at = REWRITE_BYTES

    def load(self) -> None:
        """Read what is there. Raises FileNotFoundError; StorageDamaged when votes are lost; OSError; and
        ConfigurationError when the file is not this replica's, or of another version."""
        groups, damage = read_log_file(self.path, VOTES, self._owner)
        if damage is not None:
            raise damaged(self.path, damage)
        for group in groups:
            try:
                self._kept.append(_decode(group))
            except msgspec.DecodeError as error:
                raise damaged(self.path, f"holds something else than records: {error}") from None

    @property
    def is_ready(self) -> bool:
        """Whether the next `append` adds to the file; else it writes a new one, which takes a few syncs."""
        return self._file is not None and not self._is_in_doubt and self._file.used <= self._rewrite_at

    def append(self, records: Sequence[Record]) -> None:
        """Apply *records* in order; they are on disk when this returns, or on their way there if nobody waits for it.
        After an OSError they are applied, but only `rewrite` brings them to the disk."""
        self._kept.append(records)
        if self._file is None or not self.is_ready:
            self.rewrite()
            return
        try:
            self._file.append(_encode(records))
            if self._is_synced:
                self._file.sync()
        except OSError:
            self.close()
            raise

    def sync(self) -> None:
        """See that everything so far is on disk. Any thread may call it; after an OSError the next append rewrites."""
        file = self._file
        try:
            if file is not None:
                file.sync()
        except OSError:
            self._is_in_doubt = True
            raise

    def records(self) -> list[Record]:
        """What is kept, in an order in which it can be applied again."""
        return self._kept.records()

    def rewrite(self) -> None:
        """Put all that is kept into a new file, on disk before it takes the place of the old one."""
        new = self.path.with_name(_NEW_FILE)
        file = None
        try:
            file = LogFile(new, VOTES, self._owner, room=self._room)
            for group in _groups(self._kept.records()):
                file.append(_encode(group))
            file.sync()
            replace_file(new, self.path)
        except OSError:
            if file is not None:
                file.close()
            self.close()
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        self.close()
        self._file = file
        self._is_in_doubt = False
        self._rewrite_at = max(REWRITE_BYTES, 2 * file.used)

    def look(self, size: int) -> Damage | None:
        """Read the next piece of the file. One that is damaged is written anew: what is kept is in memory too."""
        if self._file is None:
            return None
        damage = self._patrol.look({self.path: self._file.used}, size)
        if damage is not None:
            self.rewrite()
        return damage

    def close(self) -> None:
        """Use the file no more."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records in portions, so that not all of them are encoded at once."""
    group: list[Record] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(_encode(record))
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group

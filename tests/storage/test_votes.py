"""The journal on disk: what was appended is there, and damage is never mistaken for the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from quorate.errors import ConfigurationError, StorageDamaged
from quorate.messages.records import BatchRecord, DecidedRecord, Record
from quorate.storage import log_file, votes
from quorate.storage.log_file import Owner
from quorate.storage.memory import MemoryJournal
from quorate.storage.sectors import SECTOR
from quorate.storage.votes import VOTES_FILE, FileJournal

ROOM = 512
A = b"a" * 32


def journal_in(folder: Path, owner: Owner) -> FileJournal:
    journal = FileJournal(folder, owner, room=ROOM)
    journal.rewrite()
    return journal


def read(folder: Path, owner: Owner) -> list[Record]:
    journal = FileJournal(folder, owner, room=ROOM)
    journal.load()
    return journal.records()


def written(folder: Path, owner: Owner, turns: list[list[Record]]) -> Path:
    """The file after these turns."""
    journal = journal_in(folder, owner)
    for records in turns:
        journal.append(records)
    journal.close()
    return folder / VOTES_FILE


def test_what_was_appended_is_there_after_every_turn(tmp_path: Path, owner: Owner, turns: list[list[Record]]) -> None:
    journal, memory = journal_in(tmp_path, owner), MemoryJournal()

    for records in turns:
        journal.append(records)
        memory.append(records)
        assert read(tmp_path, owner) == memory.records()


def test_an_empty_journal_is_no_missing_one(tmp_path: Path, owner: Owner) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path, owner)

    journal_in(tmp_path, owner)

    assert read(tmp_path, owner) == []


def test_a_journal_goes_on_after_any_number_of_starts(tmp_path: Path, owner: Owner, turns: list[list[Record]]) -> None:
    memory = MemoryJournal()
    journal_in(tmp_path, owner).close()

    for records in turns:
        journal = FileJournal(tmp_path, owner, room=ROOM)
        journal.load()
        journal.append(records)
        journal.close()
        memory.append(records)

    assert read(tmp_path, owner) == memory.records()
    assert [path.name for path in tmp_path.iterdir()] == [VOTES_FILE]


def test_every_byte_is_checked(tmp_path: Path, owner: Owner, turns: list[list[Record]], damages: Any) -> None:
    """One byte is another: wherever it stands, in the last group and behind it too, that is damage and no torn end."""
    path = written(tmp_path, owner, turns)

    for _ in damages.flipped(path, 0x40):
        with pytest.raises(StorageDamaged, match=VOTES_FILE):
            read(tmp_path, owner)


def test_a_file_that_was_cut_off_anywhere_is_found_out(
    tmp_path: Path, owner: Owner, turns: list[list[Record]], damages: Any
) -> None:
    """Only room that was never written to may be missing, whole sectors of it: then nothing is lost."""
    path = written(tmp_path, owner, turns)
    with path.open("ab") as file:
        file.write(bytes(2 * SECTOR))
    records = read(tmp_path, owner)
    used = len(path.read_bytes().rstrip(b"\0"))

    for length in damages.shortened(path):
        if length % SECTOR == 0 and length >= used + SECTOR:
            assert read(tmp_path, owner) == records
        else:
            with pytest.raises(StorageDamaged, match=VOTES_FILE):
                read(tmp_path, owner)


def test_a_torn_last_group_is_as_if_it_had_not_been_written(
    tmp_path: Path, owner: Owner, turns: list[list[Record]]
) -> None:
    """The power fails while a group is written: any of its sectors may be there, in any mixture, but not all."""
    path = written(tmp_path, owner, [*turns, [BatchRecord(3, A, b"x" * 1500)]])
    whole = path.read_bytes()
    records = read(tmp_path, owner)[:-1]
    end = len(whole) - SECTOR
    places = range(end - 4 * SECTOR, end, SECTOR)

    for there in range(2 ** len(places) - 1):
        torn = bytearray(whole)
        for index, place in enumerate(places):
            if not there >> index & 1:
                torn[place : place + SECTOR] = bytes(SECTOR)
        path.write_bytes(torn)
        assert read(tmp_path, owner) == records, there


def test_a_group_that_went_missing_is_found_out_by_the_next(
    tmp_path: Path, owner: Owner, turns: list[list[Record]]
) -> None:
    """A write that the disk confirmed and never did leaves zeros: the group after it says that it was there."""
    path = written(tmp_path, owner, turns)
    whole = path.read_bytes()

    for start in range(SECTOR, len(whole.rstrip(b"\0")) - SECTOR, SECTOR):
        path.write_bytes(whole[:start] + bytes(SECTOR) + whole[start + SECTOR :])
        with pytest.raises(StorageDamaged, match="though it had been written"):
            read(tmp_path, owner)


def test_sectors_that_change_places_are_found_out(tmp_path: Path, owner: Owner, turns: list[list[Record]]) -> None:
    path = written(tmp_path, owner, turns)
    whole = path.read_bytes()
    used = len(whole.rstrip(b"\0"))
    places = range(SECTOR, used - SECTOR, SECTOR)

    for one in places:
        other = one + SECTOR
        swapped = whole[:one] + whole[other : other + SECTOR] + whole[one:other] + whole[other + SECTOR :]
        path.write_bytes(swapped)
        with pytest.raises(StorageDamaged):
            read(tmp_path, owner)


def test_another_files_sectors_are_found_out(tmp_path: Path, owner: Owner, turns: list[list[Record]]) -> None:
    """A row of sectors of an older file of the same replica, intact and in the right place."""
    older = written(tmp_path, owner, turns).read_bytes()
    path = written(tmp_path, owner, turns)
    newer = path.read_bytes()

    path.write_bytes(newer[: 2 * SECTOR] + older[2 * SECTOR : 3 * SECTOR] + newer[3 * SECTOR :])

    with pytest.raises(StorageDamaged):
        read(tmp_path, owner)


@pytest.mark.parametrize(
    ("field", "what"), [("cluster", "cluster"), ("incarnation", "incarnation"), ("public_key", "replica")]
)
def test_a_foreign_file_is_refused(
    tmp_path: Path, owner: Owner, turns: list[list[Record]], field: str, what: str
) -> None:
    written(tmp_path, owner, turns)
    other = owner._replace(**{field: bytes(len(getattr(owner, field)))})

    with pytest.raises(ConfigurationError, match=rf"{VOTES_FILE} is not this replica's: its {what} is another; move"):
        read(tmp_path, other)


def test_a_newer_format_is_refused(
    tmp_path: Path, owner: Owner, turns: list[list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(log_file, "FORMAT", 3)
        written(tmp_path, owner, turns)

    with pytest.raises(ConfigurationError, match="has format 3; this version of Quorate reads format 2: use a newer"):
        read(tmp_path, owner)


def test_an_older_format_is_refused(
    tmp_path: Path, owner: Owner, turns: list[list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had no access table in a checkpoint. Its votes are whole: to call them damaged would be wrong."""
    with monkeypatch.context() as older:
        older.setattr(log_file, "FORMAT", 1)
        written(tmp_path, owner, turns)

    remedy = "use the version that wrote it, or begin with an empty cluster: quorate up --fresh"
    with pytest.raises(ConfigurationError, match=f"has format 1; this version of Quorate reads format 2: {remedy}"):
        read(tmp_path, owner)


def test_what_is_no_file_of_quorates_is_named(tmp_path: Path, owner: Owner) -> None:
    (tmp_path / VOTES_FILE).write_bytes(b"shopping list\n" * 100)

    with pytest.raises(StorageDamaged, match="it is no file of Quorate's"):
        read(tmp_path, owner)


def test_the_file_stays_small(tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is written to, it holds little more than what is kept."""
    monkeypatch.setattr(votes, "REWRITE_BYTES", 20_000)
    journal = journal_in(tmp_path, owner)
    sizes = []

    for number in range(1, 200):
        journal.append([DecidedRecord(5, bytes([number]) * 32), BatchRecord(7, A, bytes([number]) * 3000)])
        sizes.append((tmp_path / VOTES_FILE).stat().st_size)

    assert max(sizes) < 40_000
    assert read(tmp_path, owner) == [DecidedRecord(5, bytes([199]) * 32), BatchRecord(7, A, bytes([199]) * 3000)]


class FailingCalls:
    """Lets some call to the system fail, once or as long as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.countdown = -1
        self.is_lasting = False
        for name in ("open", "pwrite", "posix_fallocate"):
            monkeypatch.setattr(log_file.os, name, self.wrap(getattr(os, name)))
        for name in ("fdatasync", "fsync"):  # no power fails in this test
            monkeypatch.setattr(log_file.os, name, self.wrap(lambda descriptor: None))

    def wrap(self, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            self.countdown -= 1
            if self.countdown == 0 or (self.is_lasting and self.countdown < 0):
                raise OSError(28, "No space left on device")
            return real(*arguments)

        return call


@pytest.mark.parametrize("is_lasting", [False, True])
def test_whatever_call_fails_nothing_that_was_promised_is_lost(
    tmp_path: Path, owner: Owner, turns: list[list[Record]], monkeypatch: pytest.MonkeyPatch, is_lasting: bool
) -> None:
    """Any call to the system fails once, or from then on. What had returned is there; and once the disk can be written
    to again, everything is."""
    monkeypatch.setattr(votes, "REWRITE_BYTES", 3000)
    calls = FailingCalls(monkeypatch)
    failures = 0
    for countdown in range(1, 80):
        folder = tmp_path / str(countdown)
        folder.mkdir()
        journal, memory = journal_in(folder, owner), MemoryJournal()
        calls.countdown, calls.is_lasting = countdown, is_lasting
        for records in turns:
            try:
                journal.append(records)
            except OSError:
                failures += 1
                calls.is_lasting = False
                assert read(folder, owner) in (memory.records(), MemoryJournal([*memory.records(), *records]).records())
                journal.rewrite()
            memory.append(records)
            assert read(folder, owner) == memory.records()
        calls.countdown, calls.is_lasting = -1, False
    assert failures > 20

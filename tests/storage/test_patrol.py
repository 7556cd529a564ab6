"""Files that rot while they are in use: every change is found, and what they hold is written once more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quorate.messages.records import DecidedRecord
from quorate.storage.log_file import Owner
from quorate.storage.state import Leaves, StateLog
from quorate.storage.votes import FileJournal

ROOM = 4096
PIECE = 8192


def written(folder: Path, owner: Owner, versions: int = 40) -> tuple[StateLog, Leaves]:
    """Segments with garbage in them, the last one open."""
    log = StateLog(folder, owner, segment_bytes=20_000, garbage_bytes=1 << 20, room=ROOM)
    log.load(0)
    draw = random.Random(3)
    leaves: Leaves = {}
    for version in range(1, versions + 1):
        changed = {(draw.randrange(40),): draw.randbytes(900) for _ in range(3)}
        assert log.write(version, changed) == []
        leaves.update(changed)
    return log, leaves


def look_everywhere(log: StateLog) -> list[Path]:
    """The files that a whole round finds damaged."""
    found = []
    rounds = log._patrol.rounds
    while log._patrol.rounds < rounds + 2:
        damage = log.look(PIECE)
        if damage is not None:
            found.append(damage.path)
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.log"), key=lambda path: int(path.stem.split("-")[1]))


def spoil(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 4]))


def test_what_is_whole_is_found_whole(tmp_path: Path, owner: Owner) -> None:
    log, _ = written(tmp_path, owner)
    assert len(segments(tmp_path)) > 4
    assert look_everywhere(log) == []
    log.write(41, {(1,): b"later"})
    assert look_everywhere(log) == []
    again = StateLog(tmp_path, owner, room=ROOM)
    again.load(41)
    assert look_everywhere(again) == []


@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_segment_that_rots_goes_and_what_it_held_is_written_once_more(
    tmp_path: Path, owner: Owner, which: int
) -> None:
    log, leaves = written(tmp_path, owner)
    rotten = segments(tmp_path)[which]
    spoil(rotten, 5000)

    assert look_everywhere(log) == [rotten]

    wanted: list[tuple[int, ...]] = []
    for version in range(41, 50):
        wanted = log.write(version, {path: leaves[path] for path in wanted})
        log.stabilise(version)
    assert wanted == []
    assert not rotten.exists()
    assert look_everywhere(log) == []
    assert StateLog(tmp_path, owner, room=ROOM).load(49) == (leaves, None)


def test_a_segment_that_is_gone_or_cut_off_is_found(tmp_path: Path, owner: Owner) -> None:
    log, _ = written(tmp_path, owner)
    first, second, *_ = segments(tmp_path)
    first.unlink()
    second.write_bytes(second.read_bytes()[: second.stat().st_size // 2])
    assert look_everywhere(log) == [first, second]


def test_every_byte_of_a_file_of_votes_is_looked_at(tmp_path: Path, owner: Owner) -> None:
    """Whichever changes, the file is written anew from memory, and holds the votes."""
    records = [DecidedRecord(number, bytes([number]) * 32) for number in range(1, 30)]
    journal = FileJournal(tmp_path, owner, room=ROOM)
    journal.rewrite()
    for record in records:
        journal.append([record])
    place = 0
    while journal._file is not None and place < journal._file.used:
        spoil(journal.path, place)
        found = [journal.look(1024) for _ in range(journal._file.used // 1024 + 2)]
        assert [damage.path for damage in found if damage] == [journal.path], place
        again = FileJournal(tmp_path, owner)
        again.load()
        assert again.records() == records
        journal.append([records[-1]])
        place += 97
    assert place > 2000


def test_a_sector_that_is_blank_again_is_found(tmp_path: Path, owner: Owner) -> None:
    journal = FileJournal(tmp_path, owner, room=ROOM)
    journal.rewrite()
    for number in range(1, 9):
        journal.append([DecidedRecord(number, bytes(32))])
    with journal.path.open("r+b") as file:
        file.seek(1024)
        file.write(bytes(512))
    found = [str(damage) for _ in range(9) if (damage := journal.look(1024))]
    assert found == [f"{journal.path}: sector 2 is blank"]

"""The journal in memory."""

from __future__ import annotations

from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    DecidedRecord,
    Forget,
    PreparedRecord,
    PrePreparedRecord,
    Record,
    StableRecord,
    ViewRecord,
)
from quorate.storage.memory import MemoryJournal

A = b"a" * 32
B = b"b" * 32


def test_the_latest_record_of_a_key_is_kept() -> None:
    journal = MemoryJournal()

    journal.append([PrePreparedRecord(1, A, 0, b""), PrePreparedRecord(1, B, 0, b"")])
    journal.append([PrePreparedRecord(1, A, 2, b""), ViewRecord(1, True, b""), ViewRecord(1, False, b"")])

    assert journal.records() == [
        PrePreparedRecord(1, A, 2, b""),
        PrePreparedRecord(1, B, 0, b""),
        ViewRecord(1, False, b""),
    ]


def test_forget_drops_what_is_at_or_below_and_checkpoints_below() -> None:
    def slot(sequence_number: int) -> list[Record]:
        return [
            PrePreparedRecord(sequence_number, A, 0, b""),
            PreparedRecord(sequence_number, A, 0, ()),
            DecidedRecord(sequence_number, A),
            BatchRecord(sequence_number, bytes([sequence_number]) * 32, b""),
        ]

    kept = [ViewRecord(0, False, b""), CheckpointRecord(2, A, A, b""), StableRecord(2, A, ())]
    journal = MemoryJournal([CheckpointRecord(1, A, A, b""), *kept, *slot(1), *slot(2), *slot(3)])

    journal.append([Forget(2)])

    assert journal.records() == [*kept, *slot(3)]


def test_what_it_gives_back_makes_the_same_journal() -> None:
    journal = MemoryJournal([ViewRecord(3, False, b""), DecidedRecord(9, A), Forget(4), DecidedRecord(9, B)])

    assert MemoryJournal(journal.records()).records() == journal.records()

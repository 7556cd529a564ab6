"""A journal in memory: the paper's setting. It ends with its process, and the votes in it are lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quorate.messages.records import (
    CheckpointRecord,
    Forget,
    KeyRecord,
    Record,
    RecoveryRecord,
    StableRecord,
    ViewRecord,
)


class MemoryJournal:
    """Keeps the latest record of every key. Satisfies `runtime.ports.Journal`."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records: dict[tuple[object, ...], Record] = {}
        self.append(tuple(records))

    def append(self, records: Sequence[Record]) -> None:
        """Apply *records* in order. There is nothing to wait for: memory is as durable as it will ever be."""
        for record in records:
            if isinstance(record, Forget):
                self._forget(record.sequence_number)
            else:
                self._records[record.key()] = record

    def records(self) -> list[Record]:
        """What a replica that is built anew has to know, in the order of its writing."""
        return list(self._records.values())

    def _forget(self, sequence_number: int) -> None:
        self._records = {
            key: record for key, record in self._records.items() if not _is_forgotten(record, sequence_number)
        }


def _is_forgotten(record: Record, sequence_number: int) -> bool:
    """View, stable checkpoint, keys and recovery are of no one sequence number; the stable checkpoint is kept."""
    if isinstance(record, ViewRecord | StableRecord | KeyRecord | RecoveryRecord):
        return False
    if isinstance(record, CheckpointRecord):
        return record.sequence_number < sequence_number
    return record.sequence_number <= sequence_number

"""A replica's disk: what was persisted before a crash is there after it, and nothing else is.

Beside the records of the core it keeps the service's part of each checkpoint, as a durable service would: written
together with the checkpoint's record, dropped when the record is.
"""

from __future__ import annotations

from quorate.core.ports import Service
from quorate.messages.records import CheckpointRecord, Forget, Record, StableRecord
from quorate.messages.tree import NodeKind, Path, child_digests, kind_of_node
from quorate.storage.memory import MemoryJournal

Leaves = dict[Path, bytes]


class Disk:
    """Records by key, and the leaves of the checkpoints among them."""

    def __init__(self) -> None:
        self._journal = MemoryJournal()
        self._staged: dict[int, Leaves] = {}
        self._states: dict[int, Leaves] = {}

    def stage(self, sequence_number: int, leaves: Leaves) -> None:
        """A process froze a state. It is on disk once the checkpoint's record is."""
        self._staged[sequence_number] = leaves

    def write(self, record: Record) -> None:
        """Persist a record."""
        self._journal.append((record,))
        if isinstance(record, CheckpointRecord):
            leaves = self._staged.pop(record.sequence_number, None)
            if leaves is not None:
                self._states[record.sequence_number] = leaves
            self._staged = {
                number: leaves for number, leaves in self._staged.items() if number > record.sequence_number
            }
        elif isinstance(record, Forget):
            kept = record.sequence_number
            self._states = {held: leaves for held, leaves in self._states.items() if held >= kept}

    def records(self) -> list[Record]:
        """What a restarted replica finds."""
        return self._journal.records()

    def restore(self, service: Service) -> None:
        """Bring a new process's service into the state of the stable checkpoint."""
        self._staged.clear()
        for record in self.records():
            if isinstance(record, StableRecord):
                service.install(record.sequence_number, self._states[record.sequence_number])


def leaves_of(service: Service, sequence_number: int, digest: bytes) -> Leaves:
    """All leaves of a checkpoint that *service* holds under the root *digest*."""
    leaves: Leaves = {}
    unread: list[tuple[Path, bytes]] = [((), digest)]
    while unread:
        path, digest = unread.pop()
        data = service.fetch(sequence_number, path)
        if not data:
            continue
        if kind_of_node(path, data, digest) is NodeKind.LEAF:
            leaves[path] = data
        else:
            unread += [((*path, child), part) for child, part in enumerate(child_digests(data))]
    return leaves

"""What correct replicas may say, after a crash too: no second vote, none in a view that was left, none before its disk
has it (decisions: durable votes)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Checkpoint, Commit, Message, NewView, Prepare, PrePrepare, ViewChange
from quorate.messages.records import Record, RecoveryRecord

Accuse = Callable[[str, str], None]
Proposed: Final = PrePrepare | Prepare
Key = tuple[object, ...]


class Votes:
    """The votes that correct replicas sent, and the records that they wrote."""

    def __init__(self, accuse: Accuse) -> None:
        self._accuse = accuse
        self._sent: dict[Key, bytes] = {}
        self._left: dict[int, int] = {}
        """The latest view that each replica asked for: it has left those before."""
        self._written: dict[tuple[int, Key], Any] = {}
        self._writers: set[int] = set()
        """Replicas that were seen to write. In a world without disks nobody is, and no vote is held to them."""

    def see_persisted(self, replica: int, record: Record) -> None:
        """A replica wrote a record. One that has recovered knows nothing of the views that it left before, and nobody
        counts what it said of them."""
        if record == RecoveryRecord(True) and self._written.get((replica, record.key())) != record:
            self._left.pop(replica, None)
        self._written[replica, record.key()] = record
        self._writers.add(replica)

    def see_sent(self, replica: int, message: Message) -> None:
        """A replica sent a message of its own."""
        if isinstance(message, PrePrepare | Prepare | Commit):
            self._check_once(replica, message, (type(message), replica, message.view, message.sequence_number))
            if message.view < self._left.get(replica, 0):
                self._accuse("no going back", f"replica {replica} left view {message.view} and sent {message}")
        elif isinstance(message, Checkpoint):
            self._check_once(replica, message, (Checkpoint, replica, message.sequence_number))
        elif isinstance(message, ViewChange):
            self._left[replica] = max(message.view, self._left.get(replica, 0))
        if replica in self._writers and not self._is_durable(replica, message):
            self._accuse("durable votes", f"replica {replica} sent what its disk does not have: {message}")

    def _check_once(self, replica: int, message: PrePrepare | Prepare | Commit | Checkpoint, key: Key) -> None:
        if self._sent.setdefault(key, message.digest) != message.digest:
            self._accuse("one vote", f"replica {replica} sent two different {type(message).__name__}s: {message}")

    def _is_durable(self, replica: int, message: Message) -> bool:
        written = self._written
        match message:
            case PrePrepare() | Prepare():
                record = written.get((replica, ("pre-prepared", message.sequence_number, message.digest)))
                has_body = message.digest == NULL_DIGEST or (replica, ("batch", message.digest)) in written
                return record is not None and record.view >= message.view and has_body
            case Commit():
                record = written.get((replica, ("prepared", message.sequence_number)))
                return record is not None and record.digest == message.digest and record.view >= message.view
            case ViewChange() | NewView():
                record = written.get((replica, ("view",)))
                return record is not None and record.view >= message.view
            case Checkpoint():
                record = written.get((replica, ("checkpoint", message.sequence_number)))
                return record is not None and record.digest == message.digest
        return True

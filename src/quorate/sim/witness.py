"""The service of a correct replica under observation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from quorate.core.ports import Context, Service
from quorate.messages.tree import Path
from quorate.sim.checkers import Judge
from quorate.sim.disk import Disk, leaves_of
from quorate.sim.plan import RotKind
from quorate.sim.register import RegisterService
from quorate.sim.rot import damage, hashed, is_whole


class Seen(NamedTuple):
    """One execution that the judge has not heard of yet."""

    place: int
    """Its index in its batch."""
    operation: bytes
    context: Context
    result: bytes


class Witness:
    """Puts a service's checkpoints on the disk, and tells the judge what the service did.

    Not at once: what a replica executes counts when something of it leaves the process. Until then a crash undoes it.
    What it executes on a state that rotted does not count: the replica is one of the f until that is repaired.
    """

    def __init__(self, service: Service, disk: Disk, replica: int, judge: Judge) -> None:
        self.service = service
        self._disk = disk
        self._replica = replica
        self._judge = judge
        self._position = (0, 0)
        """The sequence number that was executed last, and the index of the operation in its batch."""
        self._changes: dict[tuple[bytes, bytes], int] = {}
        """Operations that are to be executed once, and where each was."""
        self._unseen: list[Seen] = []
        self._hashing: int | None = None
        """The checkpoint whose digest the service did not know at once."""
        self._newest = 0
        """The newest checkpoint."""
        self._is_damaged = False
        self._newest_when_it_rotted = 0

    def tell(self, sequence_number: int) -> None:
        """Tell the judge what was executed up to this batch."""
        while self._unseen and self._unseen[0].context.sequence_number <= sequence_number:
            self._tell(self._unseen.pop(0))

    def tell_oldest(self, committed: int) -> None:
        """Something leaves: tell the judge what was executed in the oldest batch untold, unless that is tentative."""
        if self._unseen and self._unseen[0].context.sequence_number <= committed:
            self.tell(self._unseen[0].context.sequence_number)

    def _tell(self, seen: Seen) -> None:
        operation, context = seen.operation, seen.context
        self._judge.see_execution(self._replica, seen.place, operation, context, seen.result)
        if self._judge.is_said_once(context.client, operation):
            number = self._changes.setdefault((context.client, operation), context.sequence_number)
            if number != context.sequence_number:
                self._judge.see_operation_twice(self._replica, operation, context.sequence_number)

    # Its memory rots

    def rot(self, kind: RotKind, place: float) -> bool:
        """Something changes behind the service's back; whether there is anything that can. One at a time."""
        if not self.is_sound or not isinstance(self.service, RegisterService):
            return False
        if not damage(self.service, kind, place):
            return False
        self._is_damaged, self._newest_when_it_rotted = True, self._newest
        self._judge.see_rot(self._replica)
        return True

    @property
    def is_sound(self) -> bool:
        """Whether the state is right: nothing rotted, or what did was fetched, or was written to before anybody looked:
        then a later checkpoint is the others' too, and hides nothing."""
        if not self._is_damaged:
            return True
        is_later = self._newest > self._newest_when_it_rotted
        return is_later and self._judge.is_agreed(self._replica, self._newest) and is_whole(self.service, self._newest)

    # The service

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply one operation, watched."""
        try:
            result = self.service.execute(operation, context)
        except Exception as error:
            self._judge.see_raised(self._replica, operation, error)
            raise
        self._see(operation, context, result)
        return result

    def tick(self, context: Context) -> None:
        """The service's deadline has come."""
        self.service.tick(context)
        self._see(b"", context, b"")

    def _see(self, operation: bytes, context: Context, result: bytes) -> None:
        number, index = self._position
        index = index + 1 if number == context.sequence_number else 0
        self._position = (context.sequence_number, index)
        if not self._is_damaged:
            self._unseen.append(Seen(index, operation, context, result))

    def checkpoint(self, sequence_number: int) -> bytes | None:
        """Freeze the contents, for the disk too."""
        digest = self.service.checkpoint(sequence_number)
        self._newest = sequence_number
        self._hashing = sequence_number if digest is None else None
        if digest is not None:
            self._disk.stage(sequence_number, leaves_of(self.service, sequence_number, digest))
        return digest

    def digest(self, sequence_number: int) -> bytes | None:
        """The digest of a held checkpoint. Once it is known, the checkpoint is for the disk too."""
        digest = self.service.digest(sequence_number)
        if digest is not None and sequence_number == self._hashing:
            self._hashing = None
            self._disk.stage(sequence_number, leaves_of(self.service, sequence_number, digest))
        return digest

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Take over a peer's state, for the disk too. What was executed above it is undone."""
        self.service.install(sequence_number, leaves)
        self._newest, self._position = sequence_number, (0, 0)
        self._changes = {said: number for said, number in self._changes.items() if number <= sequence_number}
        self._disk.stage(
            sequence_number, leaves_of(self.service, sequence_number, hashed(self.service, sequence_number))
        )
        if self._is_damaged and is_whole(self.service, sequence_number):
            self._is_damaged = False
            self._judge.see_repaired(self._replica)

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """The result of an operation that changes nothing."""
        try:
            return self.service.query(operation, context)
        except Exception as error:
            self._judge.see_raised(self._replica, operation, error)
            raise

    def only_reads(self, operation: bytes) -> bool:
        """Whether it changes nothing."""
        return self.service.only_reads(operation)

    def next_deadline(self) -> int | None:
        """When the service wants a tick."""
        return self.service.next_deadline()

    def revert(self) -> None:
        """Go back to the newest checkpoint. What was executed since is executed again, at its place, or never was."""
        self.service.revert()
        self._unseen.clear()
        self._position = (0, 0)

    def release(self, keep: Collection[int]) -> None:
        """Forget checkpoints."""
        self.service.release(keep)

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """A node of a held checkpoint's tree."""
        return self.service.fetch(sequence_number, path)

"""What a replica keeps on disk, so that it never contradicts an earlier vote.

A record with the same `key` replaces the older one. `Forget` drops every record of sequence numbers up to its own.
"""

from __future__ import annotations

from msgspec import Struct

from quorate.messages.protocol import Digest, Natural


class PrePreparedRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A PRE-PREPARE was sent or accepted: an element of Q. `frame` is the PRE-PREPARE's, without its batch; empty
    when the digest was chosen by a NEW-VIEW."""

    sequence_number: Natural
    digest: Digest
    view: Natural
    frame: bytes

    def key(self) -> tuple[object, ...]:
        """One a sequence number and digest: the latest view."""
        return ("pre-prepared", self.sequence_number, self.digest)


class PreparedRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A prepared certificate was collected: the element of P for its sequence number."""

    sequence_number: Natural
    digest: Digest
    view: Natural
    certificate: tuple[bytes, ...]

    def key(self) -> tuple[object, ...]:
        """One a sequence number: the latest view."""
        return ("prepared", self.sequence_number)


class DecidedRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The digest is committed-local here, or f+1 replicas claimed that it is there."""

    sequence_number: Natural
    digest: Digest

    def key(self) -> tuple[object, ...]:
        """One a sequence number."""
        return ("decided", self.sequence_number)


class BatchRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """The body of a digest that stands in Q, P or among the decided. `sequence_number` is the latest that needs it."""

    sequence_number: Natural
    digest: Digest
    batch: bytes

    def key(self) -> tuple[object, ...]:
        """One a digest."""
        return ("batch", self.digest)


class ViewRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """The view that the replica is in, or moves to. `frame` is its own VIEW-CHANGE, or the NEW-VIEW it entered by."""

    view: Natural
    is_changing_view: bool
    frame: bytes

    def key(self) -> tuple[object, ...]:
        """Only one."""
        return ("view",)


class CheckpointRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """A checkpoint that was taken: its digest, the digest of the service's part, and the replicated tables of the
    core. The service keeps its own part under the same sequence number."""

    sequence_number: Natural
    digest: Digest
    service_digest: Digest
    tables: bytes

    def key(self) -> tuple[object, ...]:
        """One a sequence number."""
        return ("checkpoint", self.sequence_number)


class StableRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """The stable checkpoint: the frames of a quorum of CHECKPOINTs for it."""

    sequence_number: Natural
    digest: Digest
    certificate: tuple[bytes, ...]

    def key(self) -> tuple[object, ...]:
        """Only one."""
        return ("stable",)


class KeyRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """The counter of the last NEW-KEY that was said. The keys themselves are not kept: the next life makes new ones."""

    counter: Natural

    def key(self) -> tuple[object, ...]:
        """Only one."""
        return ("key",)


class RecoveryRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """The replica recovers, or has recovered: until then none of its votes before is known, also after a crash."""

    is_over: bool

    def key(self) -> tuple[object, ...]:
        """Only one."""
        return ("recovery",)


class Forget(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """Drop what concerns sequence numbers up to this one, and checkpoints below it."""

    sequence_number: Natural

    def key(self) -> tuple[object, ...]:
        """Not kept."""
        return ("forget",)


Record = (
    PrePreparedRecord
    | PreparedRecord
    | DecidedRecord
    | BatchRecord
    | ViewRecord
    | CheckpointRecord
    | StableRecord
    | KeyRecord
    | RecoveryRecord
    | Forget
)

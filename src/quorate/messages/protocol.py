"""The messages of PBFT (Castro and Liskov, OSDI'99 section 4; OSDI'00 for the P and Q sets).

Every message is a frozen struct, encoded as a msgpack array that starts with its type's number. Every field has
bounds: a value outside them does not decode, and neither does an array with more elements than fields
(`forbid_unknown_fields`, which costs no time): what is signed says no more than what is read. What a message means, and
when it is accepted, is in `core/admission.py`.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from quorate.messages.fields import OPERATIONS_MAX as OPERATIONS_MAX
from quorate.messages.fields import REPLICAS_MAX as REPLICAS_MAX
from quorate.messages.fields import REQUESTS_MAX as REQUESTS_MAX
from quorate.messages.fields import WINDOW_MAX as WINDOW_MAX
from quorate.messages.fields import ClientId as ClientId
from quorate.messages.fields import Digest as Digest
from quorate.messages.fields import Half as Half
from quorate.messages.fields import Natural as Natural
from quorate.messages.fields import ReplicaId as ReplicaId
from quorate.messages.reads import Read, ReadReply

SEPARATE_BYTES: Final = 1024
"""A request whose frame is longer travels apart from its PRE-PREPARE."""


class Request(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """REQUEST: the operations of one client session, executed together in order (OSDI'99 4.1).

    Session 0 asks for a new session, or, with operations, changes the access table (`messages.access`); its timestamp
    grows from each of these to the next. In a session the timestamp grows
    from request to request.
    """

    client: ClientId
    session: Natural
    timestamp: Natural
    operations: Annotated[tuple[bytes, ...], Meta(max_length=OPERATIONS_MAX)]


class PrePrepare(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """PRE-PREPARE: the primary gives a batch a sequence number (OSDI'99 4.2). The batch travels beside it."""

    view: Natural
    sequence_number: Natural
    digest: Digest
    replica: ReplicaId


class Prepare(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """PREPARE: a backup accepted the PRE-PREPARE (OSDI'99 4.2)."""

    view: Natural
    sequence_number: Natural
    digest: Digest
    replica: ReplicaId


class Commit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """COMMIT: the batch is prepared at this replica (OSDI'99 4.2)."""

    view: Natural
    sequence_number: Natural
    digest: Digest
    replica: ReplicaId


class Reply(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """REPLY: what a request's execution returned (OSDI'99 4.2). `outcome` is an `Outcome`.

    A result is None where the service raised. In place of large results there may be their digest
    (`digests.reply_digest`). View, replica, that, and whether it is tentative are not part of what replicas agree on.
    `is_tentative`: the request was executed when it was prepared in `view`, and is not committed here yet.
    """

    view: Natural
    client: ClientId
    session: Natural
    timestamp: Natural
    outcome: Annotated[int, Meta(ge=0, lt=16)]
    results: Annotated[tuple[bytes | None, ...], Meta(max_length=OPERATIONS_MAX)] | Digest
    replica: ReplicaId
    is_tentative: bool = False


class Checkpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """CHECKPOINT: the state after this sequence number has this digest (OSDI'99 4.3). Signed."""

    sequence_number: Natural
    digest: Digest
    replica: ReplicaId
    epoch: Natural


class CheckpointClaim(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An element of the set C of a VIEW-CHANGE: a checkpoint that its sender holds."""

    sequence_number: Natural
    digest: Digest


class PreparedClaim(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An element of the set P: this digest prepared here in this view, and none in a later one.

    `certificate` is empty with MACs; when everything is signed it holds the frames of the PRE-PREPARE (without its
    batch) and of quorum - 1 PREPAREs.
    """

    sequence_number: Natural
    digest: Digest
    view: Natural
    certificate: Annotated[tuple[bytes, ...], Meta(max_length=REPLICAS_MAX)] = ()


class PrePreparedClaim(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An element of the set Q: this digest was pre-prepared here, latest in this view."""

    sequence_number: Natural
    digest: Digest
    view: Natural


class ViewChange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """VIEW-CHANGE: move to `view`; what its sender knows above its low watermark (OSDI'00 section 4). Signed."""

    view: Natural
    low_watermark: Natural
    checkpoints: Annotated[tuple[CheckpointClaim, ...], Meta(max_length=64)]
    prepared: Annotated[tuple[PreparedClaim, ...], Meta(max_length=WINDOW_MAX)]
    pre_prepared: Annotated[tuple[PrePreparedClaim, ...], Meta(max_length=32 * WINDOW_MAX)]
    replica: ReplicaId
    epoch: Natural


class Chosen(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An element of the choice X of a NEW-VIEW: this digest is pre-prepared with this number in the new view."""

    sequence_number: Natural
    digest: Digest


class NewView(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """NEW-VIEW: the VIEW-CHANGEs that the new primary received, whole, and what follows from them. Signed."""

    view: Natural
    view_changes: Annotated[tuple[bytes, ...], Meta(max_length=REPLICAS_MAX)]
    checkpoint: CheckpointClaim
    chosen: Annotated[tuple[Chosen, ...], Meta(max_length=WINDOW_MAX)]
    replica: ReplicaId
    epoch: Natural


class Status(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """STATUS: what its sender has, so that any peer can send what is missing (Castro's thesis, 4.7).

    `slots` has one byte a sequence number from low_watermark + 1 on, a union of `SlotFlag`s; `view_changes` is a bit
    set of the replicas whose VIEW-CHANGE for `view` it holds; `missing` names batches that it lacks.
    """

    view: Natural
    is_changing_view: bool
    low_watermark: Natural
    last_executed: Natural
    slots: Annotated[bytes, Meta(max_length=WINDOW_MAX)]
    view_changes: Natural
    missing: Annotated[tuple[Digest, ...], Meta(max_length=64)]
    replica: ReplicaId


class Decided(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """DECIDED: these digests are committed-local at its sender. f+1 equal claims let a laggard execute."""

    entries: Annotated[tuple[Chosen, ...], Meta(max_length=WINDOW_MAX)]
    replica: ReplicaId


class FetchBatches(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=11):
    """FETCH-BATCHES: send me the batches with these digests."""

    digests: Annotated[tuple[Digest, ...], Meta(max_length=64)]
    replica: ReplicaId


class Batches(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=12):
    """BATCHES: the batches travel beside it and prove themselves by their digests."""

    replica: ReplicaId


class Inspect(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=13):
    """INSPECT: a client asks one replica how it is. Answered by the process, never by the rules."""

    client: ClientId
    nonce: Natural


class Inspection(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=14):
    """INSPECTION: the answer to INSPECT, a JSON object for people and programs."""

    nonce: Natural
    report: Annotated[bytes, Meta(max_length=1 << 20)]
    replica: ReplicaId


TreePath = Annotated[tuple[Annotated[int, Meta(ge=0, lt=2**32)], ...], Meta(max_length=16)]
"""A node of a service's checkpoint tree: () is its root."""


class FetchState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=15):
    """FETCH: send me these nodes of the tree of your checkpoint, or its root entry when none is named (facts 4.3)."""

    sequence_number: Natural
    paths: Annotated[tuple[TreePath, ...], Meta(max_length=256)]
    replica: ReplicaId


class StatePieces(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=16):
    """META-DATA and DATA: the nodes travel beside it, in the order of `paths`, and prove themselves by their digests.

    Without paths it is the root entry: the core's tables and the digest of the service's tree.
    """

    sequence_number: Natural
    paths: Annotated[tuple[TreePath, ...], Meta(max_length=256)]
    replica: ReplicaId


class NewKey(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=17):
    """NEW-KEY: from here on its sender's session keys are those that follow from this X25519 half (facts 3.8). The
    counter grows from each to the next. Signed."""

    counter: Natural
    half: Half
    replica: ReplicaId


BACKUP_PATHS_MAX: Final = 64
"""Nodes that are asked for in one FETCH-BACKUP."""
BackupPaths = Annotated[tuple[TreePath, ...], Meta(max_length=BACKUP_PATHS_MAX)]


class FetchBackup(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=18):
    """FETCH-BACKUP: an administrator asks for nodes of a checkpoint, or for its root entry when none is named.

    Sequence number 0 means the stable checkpoint. The nonce names one backup: all its questions have the same.
    """

    client: ClientId
    nonce: Natural
    sequence_number: Natural
    paths: BackupPaths


class BackupPieces(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=19):
    """BACKUP-PIECES: the nodes travel beside it, in the order of `paths`, and prove themselves by their digests.

    Without paths it is the root entry: the core's tables, the digest of the service's tree, and CHECKPOINTs that vouch
    for them. `answer` is a `BackupAnswer`; nothing travels beside a refusal.
    """

    client: ClientId
    nonce: Natural
    sequence_number: Natural
    paths: BackupPaths
    answer: Annotated[int, Meta(ge=0, lt=16)]
    replica: ReplicaId


FromReplica = (
    PrePrepare
    | Prepare
    | Commit
    | Reply
    | Checkpoint
    | ViewChange
    | NewView
    | Status
    | Decided
    | FetchBatches
    | Batches
    | Inspection
    | FetchState
    | StatePieces
    | NewKey
    | BackupPieces
    | ReadReply
)
FromClient = Request | Inspect | FetchBackup | Read
Message = FromReplica | FromClient


class Batch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one sequence number orders: the primary's proposed time and the frames of sealed requests.

    Its digest covers the time and the requests' digests; the requests' authentication stays outside. Beside a
    PRE-PREPARE, and only there, the digest of a large request may stand in its place.
    """

    time: Natural
    requests: Annotated[tuple[bytes, ...], Meta(max_length=REQUESTS_MAX)]


class Outcome:
    """How a request ended. The replicated state decides, so all correct replicas say the same."""

    EXECUTED: Final = 0
    SESSION_OPENED: Final = 1
    SESSION_CLOSED: Final = 2
    DENIED: Final = 3
    STALE: Final = 4
    READ_ONLY: Final = 5
    """Executed, but for the operations without a result that may have changed something: the client may only read."""


class BackupAnswer:
    """What a replica says to FETCH-BACKUP."""

    GIVEN: Final = 0
    NO_ADMINISTRATOR: Final = 1
    NOT_HELD: Final = 2
    """It does not hold that checkpoint (any more), or has taken none yet."""
    BUSY: Final = 3
    """It serves another backup, or has given this one enough for now."""


class SlotFlag:
    """What a STATUS says of one sequence number."""

    PRE_PREPARED: Final = 1
    PREPARED: Final = 2
    COMMITTED: Final = 4

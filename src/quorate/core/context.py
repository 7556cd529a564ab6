"""The state of one replica, and the outbox that its rules fill. Data and simple questions; no rules.

Every handler takes the `Core` as its first argument. One owner drives it; nothing here locks or waits.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from quorate.config import ClusterConfiguration, Settings
from quorate.core.access import AccessTable
from quorate.core.effects import Broadcast, Effect, Persist, Send, SendReply, Trace
from quorate.core.log import MessageLog, OpenBatch
from quorate.core.new_view import Choice
from quorate.core.paced import Pace
from quorate.core.ports import Authenticator, Entropy, Service
from quorate.core.quorum import primary_of, quorums_of
from quorate.core.reached import Reach
from quorate.core.recoveries import Recoveries
from quorate.core.scrubbed import Scrub
from quorate.core.tables import ReplicatedTables, TablesSnapshot
from quorate.core.tentative import Tentative
from quorate.core.vouchers import Vouchers
from quorate.core.waiting import WaitingRequests
from quorate.core.waiting_reads import WaitingReads
from quorate.errors import AuthenticationFailed
from quorate.messages.protocol import (
    BackupPieces,
    Checkpoint,
    Commit,
    Message,
    NewKey,
    NewView,
    Reply,
    Request,
    ViewChange,
)
from quorate.messages.reads import ReadReply
from quorate.messages.records import BatchRecord, Record

if TYPE_CHECKING:
    from quorate.core.transfer import Transfer

MILLISECOND: Final = 1000
"""All times inside the core are whole microseconds."""
DOUBTED_MAX: Final = 1024
"""Clients that are doubted; beyond it the one that was doubted first is believed again."""
PLACES_PER_SESSION: Final = 2
"""Requests of one client that may wait for each session that it may have: sessions being closed have some too."""


class Status(Enum):
    """What a replica is doing."""

    NORMAL = "normal"
    VIEW_CHANGE = "view-change"
    LOST_VOTES = "lost-votes"
    """It restarted without its votes and cannot recover: it says nothing (DISK-3)."""
    RECOVERING = "recovering"
    """It restarted without its votes: it says nothing that counts until its recovery point is stable (REC-2)."""


class HeldCheckpoint:
    """A checkpoint that was taken here."""

    __slots__ = ("digest", "service_digest", "tables")

    def __init__(self, digest: bytes, service_digest: bytes, tables: TablesSnapshot) -> None:
        self.digest = digest
        self.service_digest = service_digest
        self.tables = tables


class Frozen(NamedTuple):
    """The core's tables at a checkpoint whose service is still being hashed, and their digest."""

    tables: TablesSnapshot
    digest: bytes


class Checkpoints:
    """The checkpoints that were taken here, and the CHECKPOINTs that came."""

    def __init__(self) -> None:
        self.held: dict[int, HeldCheckpoint] = {}
        self.hashing: tuple[int, Frozen] | None = None
        """The checkpoint that was taken last, while its digest is not known yet."""
        self.is_late = False
        """Whether the next one had to wait for it."""
        self.pace = 1
        """In how many steps a turn it is hashed, to begin with."""
        self.votes: dict[int, dict[int, tuple[Checkpoint, bytes]]] = {}
        """By sequence number inside the window, then by sender."""
        self.vouchers = Vouchers()
        self.stable_certificate: tuple[bytes, ...] = ()
        """The frames of the CHECKPOINTs that made the low watermark stable."""


class Views:
    """The view and what is known of the next ones."""

    def __init__(self) -> None:
        self.view = 0
        """The view that this replica is in, or moves to."""
        self.view_changes: dict[int, tuple[ViewChange, bytes]] = {}
        """The newest VIEW-CHANGE of each sender, its own too (B5)."""
        self.new_view_frame = b""
        """The NEW-VIEW by which this replica entered its view; empty in view 0."""
        self.epochs: dict[int, int] = {}
        """Whose VIEW-CHANGEs that NEW-VIEW carries, and of which recovery epochs."""
        self.pending_new_view: tuple[NewView, Choice, bytes, tuple[bytes, ...]] | None = None
        """A valid NEW-VIEW that cannot be entered yet: its checkpoint is not held here."""
        self.changes = 0
        """Views left since the start, for people."""


class SessionKeys:
    """The session keys' periods: the own and the others', as NEW-KEYs told of them. See `core/session_keys.py`."""

    def __init__(self) -> None:
        self.counter = 0
        """That of the own last NEW-KEY, in an earlier life too; 0: there was none."""
        self.said: tuple[NewKey, bytes] | None = None
        """The NEW-KEY of the present keys; None: they follow from the long-term key."""
        self.known: dict[int, tuple[NewKey, bytes]] = {}
        """The last NEW-KEY of each other replica."""
        self.due: int | None = None
        """When to refresh them; None: not set yet, or never."""


class OwnRecovery:
    """What a recovering replica asks for. See `core/recovery.py`."""

    def __init__(self) -> None:
        self.half = b""
        """The half in its request: by it the replica knows its own recovery in the table."""
        self.request: tuple[Request, bytes] | None = None
        """Message and frame; None: it does not recover, or has not begun."""
        self.due = 0
        """When to send it again."""


class Timers:
    """Deadlines as data, in microseconds of the monotonic clock. See `core/timers.py` for the rules."""

    def __init__(self, base: int, limit: int) -> None:
        self.base: Final = base
        self.limit: Final = limit
        self.timeout = base
        """The present view-change timeout: doubled by a failed view, halved by time spent in progress."""
        self.timed: object = None
        """What the running timer waits for: the oldest waiting request, or a slot."""
        self.started = 0
        self.left_at: int | None = None
        """When the last view was left."""
        self.view_change_deadline: int | None = None
        """Set once a quorum wants the view that this replica moves to."""
        self.stuck_rounds = 0
        """How many times in a row a STATUS was due and nothing had been executed since, though something lacks."""
        self.progress_since: int | None = None
        self.status_due = 0
        self.status_forced = 0
        """When a STATUS goes out even if nothing is lacking: peers may lack something."""
        self.executed_at_status = -1
        """What was executed when the last STATUS was due: no progress since then means that something is lacking."""
        self.behind_since: int | None = None
        """Since when the primary's proposed times have been too far behind this replica's clock."""
        self.behind_until = 0
        """When the last of these came."""


class Core:
    """Everything that the rules of one replica know and change."""

    def __init__(
        self,
        replica_id: int,
        configuration: ClusterConfiguration,
        service: Service,
        authenticator: Authenticator,
        tracing: bool,
        entropy: Entropy | None = None,
    ) -> None:
        self.replica_id: Final = replica_id
        self.replica_count: Final = configuration.replica_count
        self.quorums: Final = quorums_of(configuration.replica_count)
        self.settings: Final[Settings] = configuration.settings
        self.signs_everything: Final = configuration.settings.replica_authentication == "signature"
        self.service: Final = service
        self.auth: Final = authenticator
        self.tracing: Final = tracing
        self.entropy: Final = entropy
        """None: this replica makes no keys."""
        access = AccessTable(configuration.grants(), configuration.member_keys())
        keys = [bytes.fromhex(member.public_key) for member in configuration.replicas]
        recoveries = Recoveries(keys, self.settings.recovery_pause_ms * MILLISECOND)
        self.tables = ReplicatedTables(access, self.settings.sessions_per_client, recoveries)
        self.log = MessageLog(self.settings.window, self.quorums)
        room = (
            self.settings.waiting_requests_max,
            PLACES_PER_SESSION * self.settings.sessions_per_client,
            self.settings.waiting_bytes_per_client_max,
        )
        self.waiting = WaitingRequests(*room)
        self.reads = WaitingReads(*room)
        self.checkpoints = Checkpoints()
        self.views = Views()
        self.timers = Timers(
            self.settings.view_change_timeout_ms * MILLISECOND, self.settings.view_change_timeout_max_ms * MILLISECOND
        )
        self.pace = Pace()
        self.reach = Reach()
        self.keys = SessionKeys()
        self.recovery = OwnRecovery()
        self.status = Status.NORMAL
        self.last_executed = 0
        """Up to here everything is executed and committed."""
        self.tentative: Tentative | None = None
        """What is executed besides."""
        self.held_commits: list[Commit] = []
        """COMMITs of this view that have not left yet."""
        self.commits_due: int | None = None
        """When they leave, unless they can travel with something before."""
        self.next_sequence_number = 1
        """Primary: what the next batch gets."""
        self.touched: set[int] = set()
        """Slots that learned something since the last settle."""
        self.parked: set[int] = set()
        """Slots with a PRE-PREPARE that waits."""
        self.diverged_at: int | None = None
        """A checkpoint at which f + 1 replicas vouch for another state than this one's."""
        self.missing: dict[bytes, int] = {}
        """Bodies that are needed and not held, and how often they were asked for."""
        self.transfer: Transfer | None = None
        """The checkpoint that is being fetched; nothing is executed meanwhile."""
        self.transfer_turn = 0
        self.scrub = Scrub()
        self.pins: dict[int, tuple[int, int, int]] = {}
        """Checkpoints kept for peers that fetch them: sequence number, since when, until when."""
        self.backup: tuple[bytes, int] | None = None
        """The client and the nonce of the backup that is being made (BACKUP-2), as long as its checkpoint is kept."""
        self.peer_marks: dict[int, tuple[int, int]] = {}
        """The last executed sequence number and the low watermark that each peer stated last."""
        self.answered_status: dict[int, int] = {}
        """When each peer's STATUS was answered last (B21)."""
        self.answered_bytes: dict[int, tuple[int, int]] = {}
        """What each peer was sent of what it asked for: since when, and how much (B21)."""
        self.unreached: dict[bytes, int] = {}
        """Clients whose large requests a backup had to fetch, and how many of the next go with their PRE-PREPARE."""
        self.doubted: dict[bytes, None] = {}
        """Clients that are believed with a signature only (REQ-3), those that were doubted first in front."""
        self.incidents: Counter[str] = Counter()
        self.outbox: list[Effect] = []
        self.now = 0
        self.wall = 0

    @property
    def view(self) -> int:
        """The view that this replica is in, or moves to."""
        return self.views.view

    @property
    def epoch(self) -> int:
        """The own recovery epoch, which goes along with what is signed about votes."""
        return self.tables.recoveries.epoch_of(self.replica_id)

    @property
    def primary(self) -> int:
        """The primary of that view."""
        return primary_of(self.views.view, self.replica_count)

    @property
    def is_primary(self) -> bool:
        """Whether this replica leads the view that it is in."""
        return self.status is Status.NORMAL and self.primary == self.replica_id

    @property
    def status_interval(self) -> int:
        """How often what is lacking is asked for, in microseconds."""
        return self.settings.status_interval_ms * MILLISECOND

    def doubt(self, client: bytes) -> None:
        """REQ-3: a client of whom a request with MACs ended a view in which this replica proposed it has to sign from
        now on. A signature holds everywhere or nowhere; so one client ends no more views than there are replicas."""
        self.doubted.pop(client, None)
        self.doubted[client] = None
        if len(self.doubted) > DOUBTED_MAX:
            del self.doubted[next(iter(self.doubted))]

    def persist(self, record: Record) -> None:
        """Keep a record before anything that follows leaves (DISK-1)."""
        self.outbox.append(Persist(record))

    def keep_batch(self, batch: OpenBatch, sequence_number: int) -> None:
        """Keep the body that a vote covers, before the vote."""
        if self.log.hold(batch, sequence_number):
            self.persist(BatchRecord(sequence_number, batch.digest, batch.data))

    def broadcast(self, message: Message, attachments: tuple[bytes, ...] = ()) -> bytes:
        """Send an own message to all other replicas; returns its frame."""
        frame = self.auth.seal(message, attachments)
        self.outbox.append(Broadcast(message, frame))
        return frame

    def broadcast_frame(self, message: Message, frame: bytes) -> None:
        """Send an own message that is sealed already."""
        self.outbox.append(Broadcast(message, frame))

    def send(self, receiver: int, message: Message, attachments: tuple[bytes, ...] = ()) -> None:
        """Send an own message to one replica."""
        self.outbox.append(Send(receiver, message, self.auth.seal(message, attachments, receiver)))

    def forward(self, receiver: int, message: Message, frame: bytes) -> None:
        """Send a frame as it came."""
        self.outbox.append(Send(receiver, message, frame))

    def reply(self, message: Reply | ReadReply | BackupPieces, attachments: tuple[bytes, ...] = ()) -> None:
        """Answer a client; not one whose public key is good for signatures but not for a session key. A recovering
        replica answers nobody (REC-2)."""
        if self.status is Status.RECOVERING:
            return
        try:
            frame = self.auth.seal(message, attachments)
        except AuthenticationFailed:
            self.refuse("REPLY", "the client's key is not usable", message.client.hex()[:8])
            return
        self.outbox.append(SendReply(message, frame))

    def note(self, event: str, **details: object) -> None:
        """Tell of something rare that an operator may want to know."""
        self.outbox.append(Trace(event, details))

    def trace(self, event: str, **details: object) -> None:
        """Tell of an ordinary step, when somebody watches."""
        if self.tracing:
            self.outbox.append(Trace(event, details))

    def refuse(self, kind: str, reason: str, sender: object) -> None:
        """Tell of a message that was refused, and count it as an incident."""
        self.incidents[f"{kind}: {reason}"] += 1
        self.trace("refused", type=kind, reason=reason, sender=sender)

    def pass_over(self, kind: str, reason: str, sender: object) -> None:
        """Tell of a message that came too late, too early or twice, as happens in any network."""
        self.trace("refused", type=kind, reason=reason, sender=sender)

"""A group of real replicas joined by a perfect wire, for tests of the rules. Time moves only when a test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from itertools import count

from msgspec.structs import replace

from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.core.context import Core
from quorate.core.effects import Broadcast, Effect, Persist, Send, SendReply, Trace
from quorate.core.ports import Context, Entropy
from quorate.core.replica import Replica
from quorate.errors import AuthenticationFailed
from quorate.messages.protocol import BackupPieces, Message, Reply, Request
from quorate.messages.reads import Read, ReadReply
from quorate.messages.records import Record, StableRecord
from quorate.messages.tree import Path
from quorate.services.counter import CounterService
from quorate.storage.memory import MemoryJournal

Filter = Callable[[int, int, Message], bool]
"""Whether a message of a sender reaches a receiver."""


def key_pair(number: int) -> KeyPair:
    """A key pair that depends on nothing but its number."""
    return KeyPair(bytes([number]) * 32)


def configuration_of(replica_count: int, settings: Settings | None = None) -> ClusterConfiguration:
    """A cluster of *replica_count* replicas and two clients."""
    return ClusterConfiguration(
        cluster_id="11" * 16,
        incarnation="22" * 16,
        service="counter",
        replicas=tuple(
            Member("127.0.0.1", 7000 + number, key_pair(number + 1).public_key.hex()) for number in range(replica_count)
        ),
        clients=tuple(
            ClientEntry(f"client-{number}", key_pair(200 + number).public_key.hex(), administrator=number == 0)
            for number in range(2)
        ),
        settings=settings or Settings(),
    )


def drawn() -> Entropy:
    """Bytes that are another time others, and depend on nothing else."""
    drawings = count()
    return lambda size: sha256(b"%d" % next(drawings)).digest()[:size]


def total_of(service: CounterService) -> int:
    """What the counter stands at."""
    return int(service.execute(b"get", Context(b"", 0, b"", 0)))


class KeptCounter(CounterService):
    """A counter whose checkpoints a restart can begin from, as a durable service's can."""

    def __init__(self, kept: dict[int, int]) -> None:
        super().__init__()
        self._kept = kept

    def checkpoint(self, sequence_number: int) -> bytes:
        """Freeze the state, and keep it."""
        self._kept[sequence_number] = total_of(self)
        return super().checkpoint(sequence_number)

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Take over a fetched state, and keep it."""
        super().install(sequence_number, leaves)
        self._kept[sequence_number] = total_of(self)


_UNSTATED = frozenset(
    {
        "outbox",
        "now",
        "wall",
        "incidents",
        "auth",
        "service",
        "settings",
        "tracing",
        "status_due",
        "status_forced",
        "entropy",
        "scrub",
        "is_two_faced",
    }
)
"""What is no part of the protocol's state: the times of the last input, what is counted, when to say STATUS next,
where the scrub is, and that the primary is convicted (TIMER-6), which a refusal may show."""


def frozen(value: object) -> object:
    """A deep copy of a part of the state that compares by value and shares nothing with it."""
    if isinstance(value, dict):
        return tuple((frozen(key), frozen(entry)) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return tuple(frozen(entry) for entry in value)
    if isinstance(value, set | frozenset):
        return frozenset(frozen(entry) for entry in value)
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    if not names or isinstance(value, type):
        return value
    return (type(value).__name__, *((n, frozen(getattr(value, n))) for n in names if n not in _UNSTATED))


def state_of(core: Core) -> object:
    """Everything that the rules of one replica know, frozen."""
    return frozen(core)


class Group:
    """n replicas; what they send is delivered in order unless `reaches` says no. COMMITs wait for nothing, unless
    *holds_commits*: time does not pass by itself here."""

    def __init__(
        self,
        replica_count: int = 4,
        settings: Settings | None = None,
        has_entropy: bool = False,
        holds_commits: bool = False,
    ) -> None:
        settings = settings or Settings()
        delay = settings.commit_delay_ms if holds_commits else 0
        self.configuration = configuration_of(replica_count, replace(settings, commit_delay_ms=delay))
        self.entropy = drawn() if has_entropy else None
        self.authenticators = [
            ReplicaAuthenticator(number, key_pair(number + 1), self.configuration) for number in range(replica_count)
        ]
        self.kept: list[dict[int, int]] = [{} for _ in range(replica_count)]
        self.services: list[CounterService] = [KeptCounter(kept) for kept in self.kept]
        self.replicas = [
            Replica(
                number, self.configuration, self.services[number], self.authenticators[number], entropy=self.entropy
            )
            for number in range(replica_count)
        ]
        self.clients = [ClientAuthenticator(key_pair(200 + number), self.configuration) for number in range(2)]
        self.now = 1_000_000
        self.wall = 1_800_000_000_000_000
        self.wire: deque[tuple[int, int, bytes]] = deque()
        self.records: list[list[Record]] = [[] for _ in range(replica_count)]
        self.traces: list[list[Trace]] = [[] for _ in range(replica_count)]
        self.sent: list[tuple[int, Message]] = []
        self.replies: list[tuple[int, Reply]] = []
        self.reply_frames: list[bytes] = []
        self.pieces: list[tuple[int, BackupPieces, bytes]] = []
        self.answers: list[ReadReply] = []
        self.reaches: Filter = lambda sender, receiver, message: True
        self.stopped: set[int] = set()
        self.unauthentic = 0

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """Do what a replica wants done."""
        for effect in effects:
            match effect:
                case Persist(record):
                    self.records[sender].append(record)
                case Broadcast(message, frame):
                    self.sent.append((sender, message))
                    for receiver in range(len(self.replicas)):
                        if receiver != sender and self.reaches(sender, receiver, message):
                            self.wire.append((sender, receiver, frame))
                case Send(receiver, message, frame):
                    self.sent.append((sender, message))
                    if self.reaches(sender, receiver, message):
                        self.wire.append((sender, receiver, frame))
                case SendReply(BackupPieces() as message, frame):
                    self.pieces.append((sender, message, frame))
                case SendReply(ReadReply() as message, _):
                    self.answers.append(message)
                case SendReply(message, frame):
                    self.replies.append((sender, message))
                    self.reply_frames.append(frame)
                case Trace():
                    self.traces[sender].append(effect)

    def receive(self, receiver: int, frame: bytes) -> None:
        """Hand a frame to one replica and let it draw its conclusions."""
        if receiver in self.stopped:
            return
        replica = self.replicas[receiver]
        try:
            opened = self.authenticators[receiver].open(frame)
        except AuthenticationFailed:
            # Only a refresh of session keys makes what an honest replica says unauthentic; else a test is wrong.
            if self.entropy is None:
                raise
            self.unauthentic += 1
            return
        replica.receive(opened, self.now, self.wall)
        self.settle(receiver)

    def settle(self, number: int) -> None:
        """Let one replica draw its conclusions now."""
        replica = self.replicas[number]
        self.perform(number, replica.settle(self.now, self.wall))
        replica.check_invariants()

    def core(self, number: int) -> Core:
        """The insides of one replica."""
        return self.replicas[number].core

    def say(
        self, sender: int, message: Message, *receivers: int, attachments: tuple[bytes, ...] = (), run: bool = True
    ) -> None:
        """A replica says something with its own keys, true or not, to the given others (all by default)."""
        for receiver in receivers or [number for number in range(len(self.replicas)) if number != sender]:
            self.receive(receiver, self.authenticators[sender].seal(message, attachments, receiver))
        if run:
            self.run()

    def refusal(self, receiver: int, sender: int, message: Message, attachments: tuple[bytes, ...] = ()) -> str:
        """Why a replica refuses a message. It must, and its state must be what it was."""
        core = self.core(receiver)
        opened = self.authenticators[receiver].open(self.authenticators[sender].seal(message, attachments, receiver))
        before = state_of(core)
        core.outbox.clear()
        self.replicas[receiver].receive(opened, self.now, self.wall)
        assert state_of(core) == before
        assert all(isinstance(effect, Trace) for effect in core.outbox)
        (reason,) = [effect.details["reason"] for effect in core.outbox if isinstance(effect, Trace)]
        assert isinstance(reason, str)
        return reason

    def restart(self, number: int, records: Iterable[Record] | None = None, lost_votes: bool = False) -> Replica:
        """The process dies and a new one starts from the records (all that were persisted, by default)."""
        if self.entropy is not None:  # session keys are in memory
            self.authenticators[number] = ReplicaAuthenticator(number, key_pair(number + 1), self.configuration)
        journal = MemoryJournal(self.records[number] if records is None else records)
        service = KeptCounter(self.kept[number])
        for record in journal.records():
            if isinstance(record, StableRecord):
                service.execute(b"add %d" % self.kept[number][record.sequence_number], Context(b"", 0, b"", 0))
        self.services[number] = service
        authenticator = self.authenticators[number]
        replica = Replica(
            number, self.configuration, service, authenticator, journal.records(), lost_votes, entropy=self.entropy
        )
        self.replicas[number] = replica
        self.stopped.discard(number)
        return replica

    def run(self) -> None:
        """Deliver until nothing is under way."""
        while self.wire:
            _, receiver, frame = self.wire.popleft()
            self.receive(receiver, frame)

    def advance(self, milliseconds: int) -> None:
        """Let time pass in small steps; replicas act when their deadlines come."""
        for _ in range(milliseconds // 10):
            self.now += 10_000
            self.wall += 10_000
            for number, replica in enumerate(self.replicas):
                if number in self.stopped:
                    continue
                deadline = replica.next_deadline()
                if deadline is not None and deadline <= self.now:
                    self.settle(number)
            self.run()

    def request(
        self, operations: tuple[bytes, ...], session: int, timestamp: int, client: int = 0, is_signed: bool = False
    ) -> bytes:
        """The sealed frame of a request; signed on demand, as when it is sent again (REQ-3)."""
        authenticator = self.clients[client]
        return authenticator.seal(Request(authenticator.client_id, session, timestamp, operations), is_signed)

    def read(self, *receivers: int, nonce: int = 1, operations: tuple[bytes, ...] = (b"get",), client: int = 0) -> None:
        """A client's READ arrives at the given replicas, at all of them by default."""
        authenticator = self.clients[client]
        self.submit(authenticator.seal_read(Read(authenticator.client_id, nonce, operations)), *receivers)

    def submit(self, frame: bytes, *receivers: int) -> None:
        """A client's frame arrives at the given replicas, at all of them by default."""
        for receiver in receivers or range(len(self.replicas)):
            self.receive(receiver, frame)
        self.run()

    def open_session(self, client: int = 0, timestamp: int = 1) -> int:
        """Open a session through the group and return its name."""
        self.submit(self.request((), 0, timestamp, client))
        results = {reply.results for _, reply in self.replies if reply.session == 0 and reply.timestamp == timestamp}
        assert len(results) == 1, results
        (result,) = results.pop()
        assert result is not None
        return int.from_bytes(result, "big")

"""Target: replicas under authentic messages of one replica and one client that lie, and under everyone's replayed.

Numbers, views and digests are chosen around those that the replicas work with; then everybody is honest again.
"""

from __future__ import annotations

from contextlib import suppress

from core.group import Group
from fuzz.source import Source
from quorate.config import Settings
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.codec import Envelope, encode, encode_batch, encode_envelope
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    Batch,
    Batches,
    Checkpoint,
    CheckpointClaim,
    Chosen,
    Commit,
    Decided,
    FetchBatches,
    FetchState,
    Message,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Request,
    StatePieces,
    Status,
    ViewChange,
)
from quorate.sim.checkers import sizes_of

TOP = 2**63 - 1
STEPS_MAX = 24
MESSAGES_MAX = 100_000
SETTINGS = [
    Settings(checkpoint_interval=4),
    Settings(checkpoint_interval=4, replica_authentication="signature"),
    Settings(checkpoint_interval=1, request_authentication="mac", sessions_per_client=1),
]
HONEST, LYING = 0, 1
"""The clients."""


class Attack:
    """A group, one of whose replicas and one of whose clients say what the source wants."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.group = Group(4, source.choose(SETTINGS))
        self.liar = source.below(4)
        self.victims = [number for number in range(4) if number != self.liar]
        self.frames: list[bytes] = []
        """What was under way: anybody may send it again."""
        self.delivered = 0
        self.lost = 0
        """A bit for each replica that the network keeps from the others for now."""
        self.group.reaches = self._reaches
        self.session = self.group.open_session(HONEST)
        self.timestamp = 0

    def _reaches(self, sender: int, receiver: int, message: Message) -> bool:
        self.delivered += 1
        assert self.delivered < MESSAGES_MAX, "messages go round and round"
        return not (self.lost >> sender & 1 or self.lost >> receiver & 1)

    def step(self) -> None:
        """One thing that happens."""
        match self.source.below(8):
            case 0 | 1 | 2:
                self._say(self._message(), self._attachments())
            case 3:
                self._request()
            case 4:
                self.submit()
            case 5:
                self.group.advance(self.source.choose((10, 100, 1100, 3000)))
            case 6:
                self._replay()
            case _:
                self.lost = 1 << self.source.below(5)
        self.check()

    def submit(self) -> None:
        """The honest client asks for something."""
        self.timestamp += 1
        frame = self.group.request((b"add 1",), self.session, self.timestamp, HONEST)
        self.frames.append(frame)
        self.group.submit(frame)

    def check(self) -> None:
        """Nobody contradicts another, no rule of a replica's state is broken, nothing grows."""
        executed: dict[int, object] = {}
        for victim in self.victims:
            self.group.replicas[victim].check_invariants()
            for table, size, limit in sizes_of(self.group.core(victim)):
                assert size <= limit, (table, size, limit)
            for trace in self.group.traces[victim]:
                if trace.event == "executed":
                    number, digest = trace.details["sequence_number"], trace.details["digest"]
                    assert executed.setdefault(number, digest) == digest

    def end(self) -> None:
        """The network works, and the honest client is served by all."""
        self.lost = 0
        before = max(self.group.core(victim).last_executed for victim in self.victims)
        self.submit()
        for _ in range(100):
            if min(self.group.core(victim).last_executed for victim in self.victims) > before:
                return
            self.group.advance(1000)
            self.group.submit(self.frames[-1])
        raise AssertionError([(self.group.core(v).view, self.group.core(v).last_executed) for v in self.victims])

    # What is said

    def _say(self, message: Message, attachments: tuple[bytes, ...]) -> None:
        for receiver in [self.source.choose(self.victims)] if self.source.below(2) else self.victims:
            frame = self.group.authenticators[self.liar].seal(message, attachments, receiver)
            self.frames.append(frame)
            self._deliver(receiver, frame)
        self.group.run()

    def _replay(self) -> None:
        if self.frames:
            frame = self.source.choose(self.frames)
            if self.source.below(2):
                frame = encode_envelope(Envelope(frame, b""))
            self._deliver(self.source.choose(self.victims), frame)
            self.group.run()

    def _deliver(self, receiver: int, frame: bytes) -> None:
        with suppress(MalformedMessage, AuthenticationFailed):
            self.group.receive(receiver, frame)

    def _request(self) -> None:
        frame = self._request_frame()
        self.frames.append(frame)
        for receiver in [self.source.choose(range(4))] if self.source.below(2) else range(4):
            self._deliver(receiver, frame)
        self.group.run()

    def _request_frame(self) -> bytes:
        client = self.group.clients[LYING]
        operations = tuple(self.source.piece(8) for _ in range(self.source.below(4)))
        return client.seal(Request(client.client_id, self._number(), self._number(), operations))

    # What it is made of

    def _number(self) -> int:
        core = self.group.core(self.source.choose(self.victims))
        low, last = core.log.low_watermark, core.last_executed
        around = (last + 1, last, last + 2, low, low + 1, core.log.high_watermark, core.log.high_watermark + 1, 0, 1)
        return self.source.choose((*around, low + core.settings.checkpoint_interval, TOP, self.source.below(TOP)))

    def _view(self) -> int:
        view = self.group.core(self.source.choose(self.victims)).view
        return self.source.choose((view, view + 1, view + 2, view + self.liar, max(0, view - 1), TOP))

    def _digest(self) -> bytes:
        core = self.group.core(self.source.choose(self.victims))
        known = [slot.digest for slot in core.log.slots.values() if slot.digest is not None]
        held = [checkpoint.digest for checkpoint in core.checkpoints.held.values()]
        return self.source.choose([*known, *held, NULL_DIGEST, b"d" * 32, self.source.take(32).ljust(32, b"\0")])

    def _batch(self) -> bytes:
        if self.source.below(4) == 0:
            return self.source.piece(64)
        time = self.source.choose((self.group.wall, self.group.wall + 10**9, 0, TOP))
        count = self.source.below(3)
        choices = [*self.frames[-8:], self._request_frame(), b"", b"\x93"]
        return encode_batch(Batch(time, tuple(self.source.choose(choices) for _ in range(count))))

    def _attachments(self) -> tuple[bytes, ...]:
        return tuple(self._batch() for _ in range(self.source.choose((1, 0, 2))))

    def _claims(self) -> tuple[CheckpointClaim, ...]:
        core = self.group.core(self.source.choose(self.victims))
        held = tuple(CheckpointClaim(at, held.digest) for at, held in sorted(core.checkpoints.held.items()))
        made = tuple(CheckpointClaim(self._number(), self._digest()) for _ in range(self.source.below(3)))
        return self.source.choose((held, held + made, made))

    def _view_change(self) -> ViewChange:
        some = range(self.source.below(3))
        certificate = tuple(self.frames[-3:]) if self.source.below(3) == 0 else ()
        prepared = tuple(PreparedClaim(self._number(), self._digest(), self._view(), certificate) for _ in some)
        pre_prepared = tuple(PrePreparedClaim(self._number(), self._digest(), self._view()) for _ in some)
        low = self.source.choose((self.group.core(self.victims[0]).log.low_watermark, self._number()))
        return ViewChange(self._view(), low, self._claims(), prepared, pre_prepared, self.liar, 0)

    def _new_view(self) -> NewView:
        own = self.group.authenticators[self.liar].seal(self._view_change())
        held = [
            frame for _, frame in self.group.core(self.source.choose(self.victims)).views.view_changes.values() if frame
        ]
        frames = tuple(self.source.choose([own, *held, b""]) for _ in range(self.source.below(5)))
        chosen = tuple(Chosen(self._number(), self._digest()) for _ in range(self.source.below(4)))
        return NewView(self._view(), frames, CheckpointClaim(self._number(), self._digest()), chosen, self.liar, 0)

    def _message(self) -> Message:
        source, liar = self.source, self.liar
        match source.below(12):
            case 0:
                return PrePrepare(self._view(), self._number(), self._digest(), liar)
            case 1:
                return Prepare(self._view(), self._number(), self._digest(), liar)
            case 2:
                return Commit(self._view(), self._number(), self._digest(), liar)
            case 3:
                return Checkpoint(self._number(), self._digest(), liar, source.choose((0, 1, TOP)))
            case 4:
                return self._view_change()
            case 5:
                return self._new_view()
            case 6:
                numbers = (self._number(), self._number(), source.piece(40), source.below(TOP))
                missing = tuple(self._digest() for _ in range(source.below(4)))
                return Status(self._view(), bool(source.below(2)), *numbers, missing, liar)
            case 7:
                entries = range(source.below(4))
                return Decided(tuple(Chosen(self._number(), self._digest()) for _ in entries), liar)
            case 8:
                return FetchBatches(tuple(self._digest() for _ in range(source.below(4))), liar)
            case 9:
                return Batches(liar)
            case 10:
                return FetchState(self._number(), self._paths(), liar)
            case _:
                return StatePieces(self._number(), self._paths(), liar)

    def _paths(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(self.source.take(self.source.below(4))) for _ in range(self.source.below(4)))


def replica(data: bytes) -> None:
    """Replicas that are lied to: nothing is raised, nothing is contradicted, nothing grows, and service goes on."""
    source = Source(data)
    attack = Attack(source)
    for _ in range(STEPS_MAX):
        if source.is_empty:
            break
        attack.step()
    attack.end()


def padded(data: bytes) -> None:
    """Payloads of arbitrary bytes under a replica's real signature, right in the middle of the normal case."""
    attack = Attack(Source(data))
    keys = attack.group.authenticators[attack.liar]._keys
    payloads = [data, data + bytes(4), encode(attack._message()) + data]
    for payload in payloads:
        frame = encode_envelope(Envelope(payload, keys.key_pair.sign(keys.domain + payload), (data,)))
        for victim in attack.victims:
            attack._deliver(victim, frame)
    attack.group.run()
    attack.check()
    attack.end()

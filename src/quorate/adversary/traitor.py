"""A replica that lies: an honest one inside, and strategies around it that rewrite what it hears and says.

Strategies are composed: what is heard passes them from the outermost to the innermost, what is said the other way.
They are pure as the rules are: time comes in as a number, chance from a generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import ClusterConfiguration
from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Authenticator, Opened
from quorate.core.quorum import primary_of, quorums_of
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import Message, ViewChange

if TYPE_CHECKING:
    from random import Random

MAC_BYTES = 16
RIVALS_MAX = 1024
SIGNED_MAX = 512
VIEWS_MAX = 256


class Process(Protocol):
    """The face of a replica, honest or not."""

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Take in one authentic message."""

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Draw the conclusions; what is to be done, in order."""

    def next_deadline(self) -> int | None:
        """When to settle again at the latest."""

    def report(self) -> Any:
        """How it is."""


MakeProcess = Callable[[], Process]
"""Starts an honest replica with the traitor's keys, from an empty disk."""


class Rivals(NamedTuple):
    """Two digests for one view and sequence number: a quorum with the traitors was told of one, the rest of another."""

    favoured: bytes
    other: bytes


class Conspiracy:
    """What the traitors and the lying clients of one world share: their keys, and what they saw."""

    def __init__(self) -> None:
        self.authenticators: dict[int, Authenticator] = {}
        """The traitors' keys, by replica."""
        self.stolen: dict[int, Authenticator] = {}
        """Session keys of replicas that are honest again: those of the time when they were not."""
        self.signed: list[tuple[Message, bytes]] = []
        """Signed words of all replicas, old ones too."""
        self.view_changes: dict[int, dict[int, tuple[ViewChange, bytes]]] = {}
        """By view and sender, VIEW-CHANGEs that traitors signed in advance."""
        self.clients: dict[bytes, ClientAuthenticator] = {}
        """The lying clients' keys, by public key."""
        self.rivals: dict[tuple[int, int], Rivals] = {}
        """What the traitors said of a view and sequence number, each in his part."""
        self.requests: list[bytes] = []
        """Frames of requests that a traitor saw, for lying clients and for replays."""

    def lose(self, replica: int) -> None:
        """A traitor is honest again: what is left are the session keys of its time."""
        self.stolen[replica] = self.authenticators.pop(replica)

    def remember_signed(self, message: Message, frame: bytes) -> None:
        """Keep signed words: the first ones, and some of the later ones."""
        self.signed.append((message, frame))
        if len(self.signed) > SIGNED_MAX:
            del self.signed[SIGNED_MAX // 2]

    def remember_view_change(self, message: ViewChange, frame: bytes) -> None:
        """Keep a VIEW-CHANGE for later; of the views those that come next."""
        self.view_changes.setdefault(message.view, {})[message.replica] = (message, frame)
        while len(self.view_changes) > VIEWS_MAX:
            del self.view_changes[min(self.view_changes)]

    def remember_request(self, frame: bytes) -> None:
        """Keep a request's frame; a few hundred are enough."""
        self.requests.append(frame)
        del self.requests[:-256]

    def remember_rivals(self, view: int, sequence_number: int, rivals: Rivals) -> None:
        """Keep what was said, for the votes and for the view change."""
        self.rivals[view, sequence_number] = rivals
        while len(self.rivals) > RIVALS_MAX:
            del self.rivals[next(iter(self.rivals))]


class Tools:
    """What a strategy may use: the traitor's keys, the group's size, chance, and its accomplices."""

    def __init__(
        self,
        replica_id: int,
        authenticator: Authenticator,
        configuration: ClusterConfiguration,
        random: Random,
        conspiracy: Conspiracy,
    ) -> None:
        self.replica_id = replica_id
        self.authenticator = authenticator
        self.quorums = quorums_of(configuration.replica_count)
        self.settings = configuration.settings
        self.public_key = bytes.fromhex(configuration.replicas[replica_id].public_key)
        self.replica_keys = [bytes.fromhex(member.public_key) for member in configuration.replicas]
        self.random = random
        self.conspiracy = conspiracy
        self.peers = [peer for peer in range(self.quorums.replica_count) if peer != replica_id]
        conspiracy.authenticators[replica_id] = authenticator

    def is_primary(self, view: int) -> bool:
        """Whether the traitor leads *view*."""
        return primary_of(view, self.quorums.replica_count) == self.replica_id

    def broadcast(self, message: Message, attachments: tuple[bytes, ...] = ()) -> Broadcast:
        """An own message for everyone."""
        return Broadcast(message, self.authenticator.seal(message, attachments))

    def send(self, receiver: int, message: Message, attachments: tuple[bytes, ...] = ()) -> Send:
        """An own message for one replica."""
        return Send(receiver, message, self.authenticator.seal(message, attachments, receiver))

    def instead(self, effect: Broadcast | Send, message: Message, attachments: tuple[bytes, ...] = ()) -> Effect:
        """An own message to whom another one was to go."""
        if isinstance(effect, Broadcast):
            return self.broadcast(message, attachments)
        return self.send(effect.receiver, message, attachments)

    def send_each(self, receivers: Iterable[int], message: Message, frame: bytes) -> list[Effect]:
        """One frame, to these replicas only."""
        return [Send(receiver, message, frame) for receiver in receivers]

    def halves(self) -> tuple[list[int], list[int]]:
        """The other replicas in two groups, by chance."""
        mixed = self.peers[:]
        self.random.shuffle(mixed)
        return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]

    def digest(self) -> bytes:
        """The digest of nothing."""
        return self.random.randbytes(32)

    def is_own(self, message: Message) -> bool:
        """Whether the traitor says this itself, and does not pass it on."""
        return getattr(message, "replica", None) == self.replica_id


class Strategy:
    """One way to lie. Overrides what it needs; by itself it changes nothing."""

    row: ClassVar[str]
    """The row of the attack catalogue, such as P2."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """What the honest replica is given instead of this message; None for nothing."""
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """What is done instead of this effect."""
        return (effect,)

    def adds(self, now: int) -> Sequence[Effect]:
        """What is done on the traitor's own initiative."""
        return ()

    def next_deadline(self) -> int | None:
        """When `adds` wants to be asked again at the latest."""
        return None

    def wall(self, wall: int) -> int:
        """What the honest replica takes for the time of day."""
        return wall


class Traitor:
    """An honest replica inside its strategies. Has the face of a replica."""

    def __init__(self, inner: Process, strategies: Sequence[Strategy]) -> None:
        self._inner = inner
        self._strategies = strategies

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """What is left of the message after all strategies goes to the honest replica."""
        for strategy in reversed(self._strategies):
            heard = strategy.hears(opened, now)
            if heard is None:
                return
            opened, wall = heard, strategy.wall(wall)
        self._inner.receive(opened, now, wall)

    def settle(self, now: int, wall: int) -> list[Effect]:
        """What the honest replica wants done, rewritten."""
        for strategy in self._strategies:
            wall = strategy.wall(wall)
        effects = self._inner.settle(now, wall)
        for strategy in self._strategies:
            effects = [said for effect in effects for said in strategy.says(effect, now)]
            effects += strategy.adds(now)
        return effects

    def next_deadline(self) -> int | None:
        """The earliest of the honest replica's and the strategies'."""
        deadlines = [self._inner.next_deadline(), *(strategy.next_deadline() for strategy in self._strategies)]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def report(self) -> Any:
        """What the honest replica would say."""
        return self._inner.report()


def attachments_of(frame: bytes) -> tuple[bytes, ...]:
    """What travels beside the message in a frame."""
    return decode_envelope(frame).attachments


def spoil_macs(frame: bytes, receivers: Iterable[int]) -> bytes:
    """The frame with an authenticator that does not hold at these receivers; a signature is spoilt for all."""
    envelope = decode_envelope(frame)
    authentication = bytearray(envelope.authentication)
    for at in {receiver * MAC_BYTES % max(1, len(authentication)) for receiver in receivers}:
        authentication[at] ^= 1
    return encode_envelope(Envelope(envelope.payload, bytes(authentication), envelope.attachments))

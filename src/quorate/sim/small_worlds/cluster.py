"""Real replicas under symbolic authentication.

A frame is the real encoding of the real message; in place of a signature stands its author's name, and no authenticator
writes another's. That is what Ed25519 and the MACs give, minus the arithmetic: nobody seals in the name of a correct
replica, everybody can check. What the arithmetic adds (a MAC that is good for one receiver only, malformed bytes) takes
deliveries away from the adversary, who here may show any sealed message to anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from hashlib import sha256
from typing import Final

from quorate.config import ClientEntry, ClusterConfiguration, Member
from quorate.core.ports import Context, Opened
from quorate.core.replica import Replica
from quorate.errors import AuthenticationFailed
from quorate.messages.codec import Envelope, decode, decode_envelope, encode, encode_batch, encode_envelope
from quorate.messages.digests import NULL_BATCH, batch_digest, request_digest
from quorate.messages.protocol import Batch, FromClient, Message, Request
from quorate.messages.tree import Path
from quorate.sim.small_worlds.bounds import REPLICAS, REQUESTS_MAX, SETTINGS, Bounds

CONFIGURATION: Final = ClusterConfiguration(
    cluster_id="5a" * 16,
    incarnation="0b" * 16,
    service="ledger",
    replicas=tuple(Member(f"replica-{at}", 1 + at, f"{1 + at:064x}") for at in range(REPLICAS)),
    clients=tuple(ClientEntry(f"client-{at}", f"{100 + at:064x}") for at in range(REQUESTS_MAX)),
    settings=SETTINGS,
)


class SymbolicAuthenticator:
    """Seals in one name, opens all. Satisfies `core.ports.Authenticator`."""

    def __init__(self, owner: int | bytes) -> None:
        self._owner = owner

    def seal(self, message: Message, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        """The frame of an own message. Raises AuthenticationFailed for another's."""
        if author_of(message) != self._owner:
            raise AuthenticationFailed(f"{self._owner!r} cannot seal a message of {author_of(message)!r}")
        return encode_envelope(Envelope(encode(message), _name(self._owner), attachments))

    def open(self, frame: bytes) -> Opened:
        """Check a frame: whoever it names sealed it."""
        return opened_of(frame)

    def is_signed_request(self, frame: bytes) -> bool:
        """Everyone finds authentic what one does."""
        return True

    def refresh(self, secret: bytes) -> bytes:
        """Names are no secrets: there is nothing to refresh."""
        raise NotImplementedError

    def learn(self, replica: int, half: bytes) -> None:
        """Names are no secrets: there is nothing to learn."""
        raise NotImplementedError


def author_of(message: Message) -> int | bytes:
    """Who is to have sealed a message."""
    return message.client if isinstance(message, FromClient) else message.replica


@cache
def opened_of(frame: bytes) -> Opened:
    """A checked frame."""
    envelope = decode_envelope(frame)
    message = decode(envelope.payload)
    if envelope.authentication != _name(author_of(message)):
        raise AuthenticationFailed("sealed by somebody else")
    return Opened(message, envelope, frame)


def _name(author: int | bytes) -> bytes:
    return b"client " + author if isinstance(author, bytes) else b"replica %d" % author


class Ledger:
    """The smallest service: the operations that it was given, in order. The requests here open sessions, which the
    core's own tables answer; so this stays empty unless a rule is broken."""

    def __init__(self) -> None:
        self.operations: tuple[bytes, ...] = ()

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Write one operation down."""
        self.operations += (operation,)
        return b"%d" % len(self.operations)

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """Everything has to be ordered."""
        return None

    def only_reads(self, operation: bytes) -> bool:
        """Everything is written down."""
        return False

    def tick(self, context: Context) -> None:
        """Nothing falls due."""

    def checkpoint(self, sequence_number: int) -> bytes:
        """The digest of all operations."""
        return sha256(b"\0".join(self.operations)).digest()

    def digest(self, sequence_number: int) -> bytes | None:
        """`checkpoint` gave it already."""
        return self.checkpoint(sequence_number)

    def revert(self) -> None:
        """Nothing was executed at the newest checkpoint, that of the beginning."""
        self.operations = ()

    def release(self, keep: Collection[int]) -> None:
        """Nothing is held."""

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """Nothing is held."""
        return None

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """No state is fetched within the bounds."""
        raise NotImplementedError

    def next_deadline(self) -> int | None:
        """It waits for nothing."""
        return None


def replica_of(number: int) -> Replica:
    """A fresh replica."""
    return Replica(number, CONFIGURATION, Ledger(), SymbolicAuthenticator(number))


def request_of(number: int) -> Opened:
    """The only request of a client: it opens a session."""
    client = bytes.fromhex(CONFIGURATION.clients[number].public_key)
    return opened_of(SymbolicAuthenticator(client).seal(Request(client, 0, 1, ())))


def batches_of(bounds: Bounds) -> dict[bytes, tuple[str, bytes]]:
    """All batches of the world: by digest, a name for people and the encoded batch."""
    batches = {batch_digest(0, []): ("null", encode_batch(NULL_BATCH))}
    for number in range(bounds.requests):
        request = request_of(number)
        for wall in sorted({bounds.wall_of(replica) for replica in range(REPLICAS)}):
            digest = batch_digest(wall, [request_digest(request.envelope.payload)])
            batches[digest] = ("abcd"[len(batches) - 1], encode_batch(Batch(wall, (request.frame,))))
    return batches

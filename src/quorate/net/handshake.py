"""The handshake that opens a link: each side proves that it holds the private key of a member of this cluster. Pure.

Both sides send a HELLO at once, and a PROOF as soon as they have the other's HELLO:

    HELLO = "quorate" | version | digest of (cluster, incarnation) | public key | 32 random bytes        104 bytes
    PROOF = "P" | MAC(own session key to the other; role | dialer's HELLO | listener's HELLO)              33 bytes
    REFUSAL = "R" | a reason's number; also in the place of a HELLO                                          2 bytes

Over TLS the MAC also covers the two certificates that the connection was made with, as its side sees them: whoever
stands between with certificates of its own makes both PROOFs wrong, whatever authority signed them.

The MAC's key is agreed from both key pairs and bound to the direction (`auth.keys.session_key`), its input to the role
and to both sides' fresh random bytes, and its hash is personalised: a PROOF cannot be reflected, replayed, or taken
for the MAC of a message. Only members' keys are agreed with, so a stranger costs one look-up: replicas stand in the
configuration, clients, where a replica asks, in the access table.

A link says whom to charge for what arrives; every frame on it is authenticated by itself (`auth.authenticator`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from quorate.auth.keys import KeyPair, session_key
from quorate.config import ClusterConfiguration
from quorate.errors import AuthenticationFailed, QuorateError

MAGIC: Final = b"quorate"
VERSION: Final = 1
NONCE_BYTES: Final = 32
_DOMAIN_AT: Final = len(MAGIC) + 1
_KEY_AT: Final = _DOMAIN_AT + 32
_NONCE_AT: Final = _KEY_AT + 32
HELLO_BYTES: Final = _NONCE_AT + NONCE_BYTES
_PROOF: Final = b"P"
_REFUSAL: Final = b"R"
TLS_HANDSHAKE: Final = b"\x16"
"""The first byte of whoever speaks TLS."""
PROOF_BYTES: Final = 1 + 32
REFUSAL_BYTES: Final = 2


class Role(IntEnum):
    """Who opened the connection."""

    DIALER = 0
    LISTENER = 1


class Refusal(IntEnum):
    """Why a handshake failed. Its number goes to the other side, as a hint that proves nothing."""

    NOT_QUORATE = 1
    VERSION = 2
    CLUSTER = 3
    UNKNOWN_KEY = 4
    OWN_KEY = 5
    OTHER_KEY = 6
    PROOF = 7
    SILENCE = 8
    TOO_MANY = 9
    WITHOUT_TLS = 10
    WITH_TLS = 11
    CERTIFICATE = 12
    TLS = 13

    @property
    def text(self) -> str:
        """For logs, counters and errors."""
        return _TEXTS[self]


_TEXTS: Final = {
    Refusal.NOT_QUORATE: "does not speak Quorate's protocol",
    Refusal.VERSION: "another version of the link protocol",
    Refusal.CLUSTER: "another cluster or incarnation",
    Refusal.UNKNOWN_KEY: "unknown public key",
    Refusal.OWN_KEY: "our own public key",
    Refusal.OTHER_KEY: "not the expected public key",
    Refusal.PROOF: "does not hold its private key",
    Refusal.SILENCE: "silent during the handshake",
    Refusal.TOO_MANY: "too many connections in their handshake",
    Refusal.WITHOUT_TLS: "speaks without TLS where it is set",
    Refusal.WITH_TLS: "speaks TLS where it is not set",
    Refusal.CERTIFICATE: "certificate not accepted",
    Refusal.TLS: "TLS failed",
}


_BETWEEN: Final = "or its TLS ends at somebody who stands between"


class HandshakeRefused(QuorateError):
    """The other side is not who it has to be, or says that we are not."""

    def __init__(self, refusal: Refusal, is_theirs: bool = False, detail: str = "") -> None:
        text = f"refused by the other side ({refusal.text})" if is_theirs else refusal.text
        super().__init__(f"{text}: {detail}" if detail else text)
        self.refusal = refusal
        self.is_theirs = is_theirs


class Peer(NamedTuple):
    """Who is at the other end of a link, as its handshake proved it."""

    public_key: bytes
    replica_id: int | None
    """None: a client."""
    name: str


class Identity:
    """Who we are, and who may be at the other end."""

    def __init__(
        self,
        key_pair: KeyPair,
        configuration: ClusterConfiguration,
        name_of_client: Callable[[bytes], str | None] | None = None,
    ) -> None:
        """`name_of_client` says who is a client at this moment, and what it is called; without it, those are clients
        that the configuration lists."""
        self.configuration: Final = configuration
        self.public_key: Final = key_pair.public_key
        self.domain_digest: Final = sha256(b"quorate link" + configuration.domain()).digest()
        self._key_pair = key_pair
        self._peers = _peers_of(configuration)
        self._name_of_client = name_of_client
        self._proof_keys: dict[bytes, tuple[bytes, bytes]] = {}

    def __repr__(self) -> str:
        return f"Identity({self.public_key.hex()[:8]}…)"

    def peer(self, public_key: bytes) -> Peer | None:
        """The member that has this key; None for a stranger."""
        peer = self._peers.get(public_key)
        if self._name_of_client is None or (peer is not None and peer.replica_id is not None):
            return peer
        name = self._name_of_client(public_key)
        return None if name is None else Peer(public_key, None, f"client {name}")

    def proof_keys(self, peer: Peer) -> tuple[bytes, bytes]:
        """The keys of our PROOF to *peer* and of its PROOF to us. Derived once a member."""
        keys = self._proof_keys.get(peer.public_key)
        if keys is None:
            own, other, domain = self.public_key, peer.public_key, self.configuration.domain()
            secret = self._key_pair.agree(other)
            keys = (session_key(secret, domain, own, other), session_key(secret, domain, other, own))
            self._proof_keys[other] = keys
        return keys


def _peers_of(configuration: ClusterConfiguration) -> dict[bytes, Peer]:
    peers = [
        Peer(bytes.fromhex(member.public_key), replica_id, f"replica {replica_id}")
        for replica_id, member in enumerate(configuration.replicas)
    ]
    peers += [Peer(bytes.fromhex(client.public_key), None, f"client {client.name}") for client in configuration.clients]
    return {peer.public_key: peer for peer in peers}


class Handshake:
    """One side of a handshake: bytes in, bytes out. `peer` is set once the other side has proved itself."""

    def __init__(self, identity: Identity, role: Role, nonce: bytes, expected_public_key: bytes | None = None) -> None:
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"the nonce of a handshake has {NONCE_BYTES} bytes, not {len(nonce)}")
        self.peer: Peer | None = None
        self.hello: Final = MAGIC + bytes([VERSION]) + identity.domain_digest + identity.public_key + nonce
        """What to send first."""
        self.channel = b""
        """What names the connection beneath, equal at both its ends: set before `feed` when it is TLS."""
        self._identity = identity
        self._role = role
        self._expected = expected_public_key
        self._received = b""
        self._claimed: Peer | None = None
        """Who the other side says it is."""
        self._their_hello = b""

    def feed(self, data: bytes) -> bytes:
        """Take in what arrived; return what to send. Raises HandshakeRefused.

        Once `peer` is set, `rest` is what came behind the handshake and belongs to the link.
        """
        self._received += data
        answer = b""
        if self._claimed is None:
            _check_prefix(self._received)
            if len(self._received) < HELLO_BYTES:
                return answer
            self._their_hello, self._received = self._received[:HELLO_BYTES], self._received[HELLO_BYTES:]
            self._claimed = self._accept_hello(self._their_hello)
            try:
                answer = _PROOF + self._proof_by(self._role, self._claimed)
            except AuthenticationFailed:  # the access table may hold any 32 bytes: these are no key
                raise HandshakeRefused(Refusal.UNKNOWN_KEY) from None
        self._await_proof(self._claimed)
        return answer

    def rest(self) -> bytes:
        """What came behind the handshake."""
        rest, self._received = self._received, b""
        return rest

    def _accept_hello(self, hello: bytes) -> Peer:
        """The member that the HELLO claims: of this cluster and incarnation, known, expected, and not ourselves."""
        if hello[_DOMAIN_AT:_KEY_AT] != self._identity.domain_digest:
            raise HandshakeRefused(Refusal.CLUSTER)
        public_key = hello[_KEY_AT:_NONCE_AT]
        if public_key == self._identity.public_key:
            raise HandshakeRefused(Refusal.OWN_KEY)
        peer = self._identity.peer(public_key)
        if peer is None:
            raise HandshakeRefused(Refusal.UNKNOWN_KEY)
        if self._expected is not None and public_key != self._expected:
            raise HandshakeRefused(Refusal.OTHER_KEY)
        return peer

    def _await_proof(self, claimed: Peer) -> None:
        kind = self._received[:1]
        if kind == _REFUSAL and len(self._received) >= REFUSAL_BYTES:
            raise HandshakeRefused(_refusal_of(self._received[1]), is_theirs=True)
        if kind not in (b"", _PROOF, _REFUSAL):
            raise HandshakeRefused(Refusal.NOT_QUORATE)
        if kind != _PROOF or len(self._received) < PROOF_BYTES:
            return
        proof, self._received = self._received[1:PROOF_BYTES], self._received[PROOF_BYTES:]
        if not compare_digest(proof, self._proof_by(Role(1 - self._role), claimed)):
            raise HandshakeRefused(Refusal.PROOF, detail=_BETWEEN if self.channel else "")
        if self._identity.peer(claimed.public_key) is None:  # it was revoked since its HELLO
            raise HandshakeRefused(Refusal.UNKNOWN_KEY)
        self.peer = claimed

    def _proof_by(self, role: Role, peer: Peer) -> bytes:
        """The MAC of the side that has *role*, over both HELLOs, the dialer's first."""
        ours, theirs = self._identity.proof_keys(peer)
        hellos = [self.hello, self._their_hello]
        if self._role is Role.LISTENER:
            hellos.reverse()
        key = ours if role is self._role else theirs
        proven = bytes([role]) + b"".join(hellos) + self.channel
        return blake2b(proven, key=key, digest_size=32, person=b"quorate link").digest()


def refusal_bytes(refusal: Refusal) -> bytes:
    """What tells the other side why the connection is closed."""
    return _REFUSAL + bytes([refusal])


def _refusal_of(number: int) -> Refusal:
    try:
        return Refusal(number)
    except ValueError:
        return Refusal.NOT_QUORATE


def _check_prefix(received: bytes) -> None:
    """Refuse what is no HELLO at its first wrong byte, or at a version that we do not speak."""
    if received[:1] == _REFUSAL:
        if len(received) >= REFUSAL_BYTES:
            raise HandshakeRefused(_refusal_of(received[1]), is_theirs=True)
        return
    if received[:1] == TLS_HANDSHAKE:
        raise HandshakeRefused(Refusal.WITH_TLS)
    magic = received[: len(MAGIC)]
    if magic != MAGIC[: len(magic)]:
        raise HandshakeRefused(Refusal.NOT_QUORATE)
    if len(received) > len(MAGIC) and received[len(MAGIC)] != VERSION:
        raise HandshakeRefused(Refusal.VERSION)

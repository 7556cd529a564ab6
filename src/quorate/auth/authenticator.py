"""Sealing and opening frames by the cluster's policy (architecture: which message is signed, which has MACs).

A MAC is keyed BLAKE2b over the message's bytes; its key is bound to the cluster, the incarnation, the sender and the
receiver, and the bytes name the message's type, so nothing replays across any of them. A signature covers the same.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final

from quorate.auth.keys import SIGNATURE_BYTES, Half, KeyPair, PublicKey, session_key
from quorate.config import ClusterConfiguration
from quorate.core.ports import Opened
from quorate.errors import AuthenticationFailed
from quorate.messages.codec import Envelope, decode, decode_envelope, encode, encode_envelope
from quorate.messages.protocol import (
    BackupPieces,
    Batches,
    Checkpoint,
    Commit,
    Decided,
    FetchBackup,
    FetchBatches,
    FetchState,
    Inspect,
    Inspection,
    Message,
    NewKey,
    NewView,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    StatePieces,
    Status,
    ViewChange,
)
from quorate.messages.reads import Read, ReadReply

MAC_BYTES: Final = 16
_NO_MAC: Final = bytes(MAC_BYTES)
_SIGNED: Final = b"\x01"
"""Behind the signature of a request that might have MACs: so its authentication is as long as no vector is."""
SIGNED_BYTES: Final = SIGNATURE_BYTES + len(_SIGNED)
"""The authentication of such a request."""
KNOWN_CLIENTS_MAX: Final = 4096
"""Session and public keys of clients kept ready; beyond it the oldest is derived anew."""


Check = Callable[[Any, Envelope], bool]
"""Whether an envelope's authentication is that of the sender whom its message names."""
_FROM_CLIENTS: Final = frozenset({Request, Inspect, FetchBackup, Read})
_TO_CLIENTS: Final = (Reply, ReadReply, BackupPieces)
"""Those that name the client whom they are for."""


class Scheme(Enum):
    """How a type of message is authenticated."""

    SIGNATURE = auto()
    """Also the scheme of a request that a replica makes, whatever that of clients' requests is."""
    VECTOR = auto()
    """An authenticator: one MAC for each replica (OSDI'99 5.2)."""
    SINGLE = auto()
    """One MAC, for one receiver."""


def policy_of(configuration: ClusterConfiguration) -> dict[type, Scheme]:
    """The scheme of every message type under the cluster's settings."""
    signs_requests = configuration.settings.request_authentication == "signature"
    signs_everything = configuration.settings.replica_authentication == "signature"
    voted = Scheme.SIGNATURE if signs_everything else Scheme.VECTOR
    direct = Scheme.SIGNATURE if signs_everything else Scheme.SINGLE
    return {
        Request: Scheme.SIGNATURE if signs_requests or signs_everything else Scheme.VECTOR,
        PrePrepare: voted,
        Prepare: voted,
        Commit: voted,
        Status: voted,
        Reply: direct,
        Decided: direct,
        FetchBatches: direct,
        Batches: direct,
        FetchState: direct,
        StatePieces: direct,
        Checkpoint: Scheme.SIGNATURE,
        ViewChange: Scheme.SIGNATURE,
        NewView: Scheme.SIGNATURE,
        NewKey: Scheme.SIGNATURE,
        Inspect: Scheme.SINGLE,
        Inspection: Scheme.SINGLE,
        FetchBackup: Scheme.SINGLE,
        BackupPieces: Scheme.SINGLE,
        Read: Scheme.VECTOR,
        ReadReply: Scheme.SINGLE,
    }


def authentication_bytes(configuration: ClusterConfiguration) -> int:
    """The longest authentication of a frame: a vector of MACs, or a signature."""
    return max(SIGNED_BYTES, MAC_BYTES * configuration.replica_count)


def _mac(key: bytes, payload: bytes) -> bytes:
    return blake2b(payload, key=key, digest_size=MAC_BYTES).digest()


class _Keys:
    """What one member shares with each other member. Keys are derived once; those of clients in a bounded table."""

    def __init__(self, key_pair: KeyPair, configuration: ClusterConfiguration) -> None:
        self.key_pair = key_pair
        self.domain = configuration.domain()
        self.replica_keys = [bytes.fromhex(member.public_key) for member in configuration.replicas]
        self.replica_verifiers = [key_pair.verifier(key) for key in self.replica_keys]
        own = key_pair.public_key
        self.to_replicas = [b"" if key == own else self._derive(own, key, key) for key in self.replica_keys]
        self.from_replicas = [b"" if key == own else self._derive(key, own, key) for key in self.replica_keys]
        self._own_half: Half | None = None
        """What the session keys follow from; None: the long-term key."""
        self._halves: dict[int, bytes] = {}
        """The public halves of the replicas that refreshed their keys."""
        self._client_verifiers: dict[bytes, PublicKey] = {}
        self._client_keys: dict[bytes, tuple[bytes, bytes]] = {}

    def _derive(self, sender: bytes, receiver: bytes, other: bytes) -> bytes:
        return session_key(self.key_pair.agree(other), self.domain, sender, receiver)

    def refresh(self, half: Half) -> None:
        """From here on the keys shared with replicas follow from *half*; the old ones are gone."""
        self._own_half = half
        for replica in range(len(self.replica_keys)):
            self._agree_anew(replica)

    def learn(self, replica: int, half: bytes) -> None:
        """From here on the keys shared with this replica follow from its *half*. Raises AuthenticationFailed."""
        before = self._halves.get(replica)
        self._halves[replica] = half
        try:
            self._agree_anew(replica)
        except AuthenticationFailed:
            del self._halves[replica]
            if before is not None:
                self._halves[replica] = before
            raise

    def _agree_anew(self, replica: int) -> None:
        own, other = self.key_pair.public_key, self.replica_keys[replica]
        if other == own:
            return
        mine = self._own_half or self.key_pair
        half = self._halves.get(replica)
        secret = mine.agree(other) if half is None else mine.agree_half(half)
        self.to_replicas[replica] = session_key(secret, self.domain, own, other)
        self.from_replicas[replica] = session_key(secret, self.domain, other, own)

    def client_verifier(self, public_key: bytes) -> PublicKey:
        """What checks a client's signatures."""
        known = self._client_verifiers.get(public_key)
        if known is None:
            known = self.key_pair.verifier(public_key)
            _make_room(self._client_verifiers)
            self._client_verifiers[public_key] = known
        return known

    def client_keys(self, public_key: bytes) -> tuple[bytes, bytes]:
        """The key for what a client sends here, and the key for what is sent to it."""
        known = self._client_keys.get(public_key)
        if known is None:
            own = self.key_pair.public_key
            known = (self._derive(public_key, own, public_key), self._derive(own, public_key, public_key))
            _make_room(self._client_keys)
            self._client_keys[public_key] = known
        return known


def _make_room(table: dict[bytes, Any]) -> None:
    if len(table) >= KNOWN_CLIENTS_MAX:
        del table[next(iter(table))]


class ReplicaAuthenticator:
    """Seals and opens the frames of one replica."""

    def __init__(self, replica_id: int, key_pair: KeyPair, configuration: ClusterConfiguration) -> None:
        self.replica_id = replica_id
        self._keys = _Keys(key_pair, configuration)
        self._policy = policy_of(configuration)
        by_replica: dict[Scheme, Check] = {
            Scheme.SIGNATURE: self._is_signed_by_replica,
            Scheme.VECTOR: self._has_replicas_mac_in_vector,
            Scheme.SINGLE: self._has_replicas_single_mac,
        }
        by_client: dict[Scheme, Check] = {
            Scheme.SIGNATURE: self._is_signed_by_client,
            Scheme.VECTOR: self._has_clients_mac_in_vector,
            Scheme.SINGLE: self._has_clients_single_mac,
        }
        self._checks: dict[type, Check] = {
            kind: (by_client if kind in _FROM_CLIENTS else by_replica)[scheme] for kind, scheme in self._policy.items()
        }

    def seal(self, message: Message, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        """The frame of an own message (see `core.ports.Authenticator`)."""
        payload = encode(message)
        scheme = self._policy[type(message)]
        if scheme is Scheme.SIGNATURE or isinstance(message, Request):
            mark = _SIGNED if scheme is Scheme.VECTOR else b""
            authentication = self._keys.key_pair.sign(self._keys.domain + payload) + mark
        elif scheme is Scheme.VECTOR:
            authentication = _vector(self._keys.to_replicas, payload)
        elif isinstance(message, _TO_CLIENTS):
            authentication = _mac(self._keys.client_keys(message.client)[1], payload)
        elif receiver is not None:
            authentication = _mac(self._keys.to_replicas[receiver], payload)
        else:
            raise ValueError(f"{type(message).__name__} is sealed for one receiver: name it")
        return encode_envelope(Envelope(payload, authentication, attachments))

    def seal_inspection(self, inspection: Inspection, client: bytes) -> bytes:
        """The frame of an answer to INSPECT."""
        payload = encode(inspection)
        return encode_envelope(Envelope(payload, _mac(self._keys.client_keys(client)[1], payload)))

    def open(self, frame: bytes) -> Opened:
        """Check a frame (see `core.ports.Authenticator`)."""
        envelope = decode_envelope(frame)
        message = decode(envelope.payload)
        if not self._checks[type(message)](message, envelope):
            raise AuthenticationFailed(f"{type(message).__name__} is not authentic")
        return Opened(message, envelope, frame)

    def refresh(self, secret: bytes) -> bytes:
        """Make new session keys (see `core.ports.Authenticator`)."""
        half = Half(secret)
        self._keys.refresh(half)
        return half.public

    def learn(self, replica: int, half: bytes) -> None:
        """Take another replica's new half (see `core.ports.Authenticator`)."""
        self._keys.learn(replica, half)

    def is_signed(self, message: Message) -> bool:
        """Whether messages of this kind carry a signature, which says the same to every receiver; a MAC does not."""
        return self._policy[type(message)] is Scheme.SIGNATURE

    def is_signed_request(self, frame: bytes) -> bool:
        """Whether the request in an authentic frame is signed (see `core.ports.Authenticator`)."""
        is_policy = self._policy[Request] is Scheme.SIGNATURE
        return is_policy or len(decode_envelope(frame).authentication) == SIGNED_BYTES

    def _is_signed_by_client(self, message: Any, envelope: Envelope) -> bool:
        return self._verifies(message, envelope.payload, envelope.authentication)

    def _verifies(self, message: Any, payload: bytes, signature: bytes) -> bool:
        return self._keys.client_verifier(message.client).verify(self._keys.domain + payload, signature)

    def _has_clients_mac_in_vector(self, message: Any, envelope: Envelope) -> bool:
        authentication = envelope.authentication
        if len(authentication) == SIGNED_BYTES:
            is_marked = authentication.endswith(_SIGNED)
            return is_marked and self._verifies(message, envelope.payload, authentication[:SIGNATURE_BYTES])
        if message.client in self._keys.replica_keys:
            return False  # a replica's own requests are signed, always
        return _matches(self._keys.client_keys(message.client)[0], envelope, self._own_place(envelope))

    def _has_clients_single_mac(self, message: Any, envelope: Envelope) -> bool:
        return _matches(self._keys.client_keys(message.client)[0], envelope, envelope.authentication)

    def _is_signed_by_replica(self, message: Any, envelope: Envelope) -> bool:
        if message.replica >= len(self._keys.replica_verifiers):
            return False
        signed = self._keys.domain + envelope.payload
        verifier: PublicKey = self._keys.replica_verifiers[message.replica]
        return verifier.verify(signed, envelope.authentication)

    def _has_replicas_mac_in_vector(self, message: Any, envelope: Envelope) -> bool:
        return _matches(self._key_from_replica(message.replica), envelope, self._own_place(envelope))

    def _has_replicas_single_mac(self, message: Any, envelope: Envelope) -> bool:
        return _matches(self._key_from_replica(message.replica), envelope, envelope.authentication)

    def _own_place(self, envelope: Envelope) -> bytes:
        at = self.replica_id * MAC_BYTES
        return envelope.authentication[at : at + MAC_BYTES]

    def _key_from_replica(self, replica: int) -> bytes:
        """Empty for an unknown replica, and for messages in the own name: nobody else may send them here."""
        keys = self._keys.from_replicas
        return keys[replica] if replica < len(keys) else b""


def _matches(key: bytes, envelope: Envelope, mac: bytes) -> bool:
    return bool(key) and compare_digest(_mac(key, envelope.payload), mac)


class ClientAuthenticator:
    """Seals a client's requests and opens the replies to it."""

    def __init__(self, key_pair: KeyPair, configuration: ClusterConfiguration) -> None:
        self.client_id = key_pair.public_key
        self._keys = _Keys(key_pair, configuration)
        self._policy = policy_of(configuration)

    def seal(self, request: Request, is_signed: bool = False) -> bytes:
        """The frame of a request, for all replicas. *is_signed*: signed, though the policy is MACs (REQ-3)."""
        payload = encode(request)
        if self._policy[Request] is Scheme.SIGNATURE:
            authentication = self._keys.key_pair.sign(self._keys.domain + payload)
        elif is_signed:
            authentication = self._keys.key_pair.sign(self._keys.domain + payload) + _SIGNED
        else:
            authentication = _vector(self._keys.to_replicas, payload)
        return encode_envelope(Envelope(payload, authentication))

    def seal_question(self, question: Inspect | FetchBackup, receiver: int) -> bytes:
        """The frame of an INSPECT or a FETCH-BACKUP to one replica."""
        payload = encode(question)
        return encode_envelope(Envelope(payload, _mac(self._keys.to_replicas[receiver], payload)))

    def seal_read(self, read: Read) -> bytes:
        """The frame of a READ, for all replicas. MACs suffice, whatever the policy: a replica shows it to nobody, and
        does nothing on it but answer this client."""
        payload = encode(read)
        return encode_envelope(Envelope(payload, _vector(self._keys.to_replicas, payload)))

    def open(self, frame: bytes) -> Reply | ReadReply | Inspection | BackupPieces:
        """Check what replicas say to clients. Raises MalformedMessage or AuthenticationFailed."""
        envelope = decode_envelope(frame)
        message = decode(envelope.payload)
        senders = len(self._keys.from_replicas)
        if not isinstance(message, (*_TO_CLIENTS, Inspection)) or message.replica >= senders:
            raise AuthenticationFailed(f"{type(message).__name__} is not for a client")
        if self._policy[type(message)] is Scheme.SIGNATURE:
            verifier = self._keys.replica_verifiers[message.replica]
            authentic = verifier.verify(self._keys.domain + envelope.payload, envelope.authentication)
        else:
            mac = _mac(self._keys.from_replicas[message.replica], envelope.payload)
            authentic = compare_digest(mac, envelope.authentication)
        if not authentic or (not isinstance(message, Inspection) and message.client != self.client_id):
            raise AuthenticationFailed(f"{type(message).__name__} is not authentic")
        return message


def _vector(keys: list[bytes], payload: bytes) -> bytes:
    """One MAC a key, without a call for each; none for oneself."""
    macs = [blake2b(payload, key=key, digest_size=MAC_BYTES).digest() if key else _NO_MAC for key in keys]
    return b"".join(macs)

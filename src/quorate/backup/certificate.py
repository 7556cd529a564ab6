"""Who vouches for a checkpoint: CHECKPOINTs, checked with public keys alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from nacl.exceptions import CryptoError

from quorate.auth.keys import PublicKey
from quorate.config import ClusterConfiguration
from quorate.core.quorum import quorums_of
from quorate.core.tables import TablesSnapshot
from quorate.errors import BackupRefused, MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Checkpoint
from quorate.messages.recoveries import decode_recoveries

_NO_INCARNATION: Final = "0" * 32


class Target(NamedTuple):
    """A checkpoint."""

    sequence_number: int
    digest: bytes


class Epochs:
    """The recovery epochs of the replicas, as the tables of a checkpoint say (EPOCH-1): what was signed in another one
    does not count for it."""

    def __init__(self, tables: TablesSnapshot) -> None:
        """Raises MalformedMessage."""
        self._epochs = {row.replica: row.epoch for row in decode_recoveries(tables.recoveries)}

    def of(self, replica: int) -> int:
        """0: it never recovered."""
        return self._epochs.get(replica, 0)


class Voucher:
    """Checks CHECKPOINTs of one cluster in one incarnation."""

    def __init__(self, configuration: ClusterConfiguration) -> None:
        self.quorum: Final = quorums_of(configuration.replica_count).quorum
        self._domain = configuration.domain()
        self._keys: list[PublicKey | None] = [_key(member.public_key) for member in configuration.replicas]

    def signer(self, target: Target, epochs: Epochs, frame: bytes) -> int | None:
        """Who vouches for the checkpoint with this frame; None: nobody does."""
        try:
            envelope = decode_envelope(frame)
            message = decode(envelope.payload)
        except MalformedMessage:
            return None
        if not isinstance(message, Checkpoint) or (message.sequence_number, message.digest) != target:
            return None
        if message.epoch != epochs.of(message.replica):
            return None
        key = self._keys[message.replica] if message.replica < len(self._keys) else None
        if key is None or not key.verify(self._domain + envelope.payload, envelope.authentication):
            return None
        return message.replica

    def require_quorum(self, target: Target, epochs: Epochs, frames: Iterable[bytes]) -> list[int]:
        """The replicas that vouch for the checkpoint. Raises BackupRefused unless each frame is another one's, and
        they make a quorum."""
        signers = [self.signer(target, epochs, frame) for frame in frames]
        distinct = {signer for signer in signers if signer is not None}
        if len(distinct) != len(signers):
            raise BackupRefused("its certificate has signatures that are not those of these replicas")
        if len(distinct) < self.quorum:
            raise BackupRefused(f"its certificate has {len(distinct)} of the {self.quorum} signatures that it needs")
        return sorted(distinct)


def _key(text: str) -> PublicKey | None:
    """None for bytes that are no key: nobody can have signed with it."""
    try:
        return PublicKey(bytes.fromhex(text))
    except CryptoError:
        return None


def public_part(configuration: ClusterConfiguration) -> ClusterConfiguration:
    """What a backup's file says of its cluster. Not the clients: whom it lets in stands in the access table."""
    return msgspec.structs.replace(configuration, clients=())


def fingerprint(configuration: ClusterConfiguration) -> str:
    """What names a cluster, its keys and its settings in one line that can be written down; the incarnation apart."""
    part = msgspec.structs.replace(public_part(configuration), incarnation=_NO_INCARNATION, restored=False)
    return sha256(b"quorate cluster" + msgspec.json.encode(part)).hexdigest()

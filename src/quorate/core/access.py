"""The access table (ACCESS-1 to ACCESS-5): who may use the cluster, and how. Part of the replicated tables.

It begins with the clients of the configuration, and changes by ordered operations alone, so at every correct replica at
the same sequence number. Grants never change; a revoked key keeps its row, so it never comes back, and nothing that its
holder ever signed can be replayed into a later life of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from quorate.errors import MalformedMessage
from quorate.messages.access import (
    ACCESS_BYTES_MAX,
    CLIENTS_MAX,
    LISTED_MAX,
    Accepted,
    AccessResult,
    AccessRow,
    AddClient,
    Grant,
    ListClients,
    Listed,
    Mark,
    Refused,
    RevokeClient,
    decode_operation,
    decode_rows,
    encode_access,
)


class AccessTable:
    """The clients, by their public keys."""

    def __init__(self, grants: Iterable[Grant], members: frozenset[bytes] = frozenset()) -> None:
        self._members = members
        """The replicas' keys, which are no clients'."""
        self._rows = {grant.public_key: AccessRow(grant) for grant in grants}
        self._encoded = self._encode()

    def grant(self, client: bytes) -> Grant | None:
        """What the client may do; None: nothing, it is not known or was revoked."""
        row = self._rows.get(client)
        return None if row is None or row.revoked_at else row.grant

    def revoked(self) -> set[bytes]:
        """The keys that were revoked."""
        return {client for client, row in self._rows.items() if row.revoked_at}

    def revoked_at(self, client: bytes) -> int:
        """The sequence number at which a known client was revoked; 0: it was not."""
        return self._rows[client].revoked_at

    def execute(self, operation: bytes, sequence_number: int) -> AccessResult:
        """Apply an administrator's operation (ACCESS-1). Executing one again changes nothing."""
        try:
            decoded = decode_operation(operation)
        except MalformedMessage as error:
            return Refused(str(error))
        match decoded:
            case AddClient(grant):
                return self._add(grant, sequence_number)
            case RevokeClient(public_key):
                return self._revoke(public_key, sequence_number)
            case Mark():
                return Accepted(sequence_number)
            case ListClients(after):
                return Listed(tuple(self._rows[key] for key in sorted(self._rows) if key > after)[:LISTED_MAX])

    def encode(self) -> bytes:
        """The rows in the order of their keys: what a checkpoint holds of them."""
        return self._encoded

    def restore(self, encoded: bytes) -> None:
        """Become what `encode` gave. Raises MalformedMessage."""
        self._rows = {row.grant.public_key: row for row in decode_rows(encoded)}
        self._encoded = encoded

    def _add(self, grant: Grant, sequence_number: int) -> AccessResult:
        present = self._rows.get(grant.public_key)
        if present is not None and present.revoked_at:
            return Refused("this key was revoked, for good: make another")
        if present is not None:
            same = present.grant == grant
            return Accepted(sequence_number) if same else Refused("this key is a client's already: make another")
        if grant.public_key in self._members:
            return Refused("this key is a replica's: make another")
        if any(row.grant.name == grant.name and not row.revoked_at for row in self._rows.values()):
            return Refused(f"there is a client {grant.name} already: choose another name, or revoke it first")
        if len(self._rows) >= CLIENTS_MAX:
            return Refused(f"the table is full: it has {CLIENTS_MAX} rows, those of revoked clients counted")
        row = AccessRow(grant)
        if len(self._encoded) + len(encode_access((row,))) > ACCESS_BYTES_MAX:
            return Refused(f"the table is full: it has {ACCESS_BYTES_MAX} bytes, those of revoked clients counted")
        self._put(row)
        return Accepted(sequence_number)

    def _revoke(self, public_key: bytes, sequence_number: int) -> AccessResult:
        row = self._rows.get(public_key)
        if row is None:
            return Refused("there is no client with this key")
        if row.revoked_at:
            return Accepted(row.revoked_at)
        administrators = sum(row.grant.is_administrator and not row.revoked_at for row in self._rows.values())
        if row.grant.is_administrator and administrators == 1:
            return Refused("it is the last administrator: nobody could let a client in any more")
        self._put(AccessRow(row.grant, sequence_number))
        return Accepted(sequence_number)

    def _put(self, row: AccessRow) -> None:
        self._rows[row.grant.public_key] = row
        self._encoded = self._encode()

    def _encode(self) -> bytes:
        return encode_access(tuple(self._rows[key] for key in sorted(self._rows)))


def access_digest(encoded: bytes) -> bytes:
    """What a checkpoint's digest covers of the access table."""
    return sha256(b"quorate access" + encoded).digest()

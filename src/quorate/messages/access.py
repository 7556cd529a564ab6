"""Who may use the cluster, as operations of the group itself: they are ordered like any other, in session 0.

A request of session 0 without operations opens a session; with operations it changes or asks for the access table, and
only an administrator may send it. Grants never change and a revoked key never comes back, so what was refused once for
want of a permission is refused for ever, and nothing that a revoked client ever sent can be of use again.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from quorate.errors import MalformedMessage
from quorate.messages.protocol import ClientId, Natural

CLIENTS_MAX: Final = 4096
"""Rows of the access table, those of revoked clients too."""
ACCESS_BYTES_MAX: Final = 512 << 10
"""How large the table may grow by adding clients: it travels in one frame, with the client table."""
PREFIXES_MAX: Final = 16
LISTED_MAX: Final = 64
"""Rows in one answer to `ListClients`."""

CLIENT_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\Z"
ClientName = Annotated[str, Meta(pattern=CLIENT_NAME)]
Prefix = Annotated[bytes, Meta(min_length=1, max_length=512)]
Prefixes = Annotated[tuple[Prefix, ...], Meta(max_length=PREFIXES_MAX)]


class Grant(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A client, and what it may do."""

    public_key: ClientId
    name: ClientName
    is_administrator: bool = False
    """It may change this table."""
    is_read_only: bool = False
    """Of its operations only those are executed that change nothing."""
    prefixes: Prefixes = ()
    """The service shows it only keys that begin with one of these; none: all keys."""


class AccessRow(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row of the access table."""

    grant: Grant
    revoked_at: Natural = 0
    """The sequence number at which the client was revoked; 0: it may use the cluster."""


class AddClient(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Let a client in."""

    grant: Grant


class RevokeClient(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Shut a client out, for good."""

    public_key: ClientId


class ListClients(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Tell the rows whose keys come after this one, the first `LISTED_MAX` of them; b"" begins."""

    after: Annotated[bytes, Meta(max_length=32)]


class Mark(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Change nothing, and tell the sequence number: whatever was answered before stands below it in the order."""


AccessOperation = AddClient | RevokeClient | ListClients | Mark


class Accepted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """The table says what was asked for, since this sequence number."""

    sequence_number: Natural


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The table is as it was."""

    reason: str


class Listed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Rows, in the order of their keys."""

    rows: tuple[AccessRow, ...]


AccessResult = Accepted | Refused | Listed

_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_operations: msgspec.msgpack.Decoder[AccessOperation] = msgspec.msgpack.Decoder(AccessOperation)
_results: msgspec.msgpack.Decoder[AccessResult] = msgspec.msgpack.Decoder(AccessResult)
_tables: msgspec.msgpack.Decoder[tuple[AccessRow, ...]] = msgspec.msgpack.Decoder(tuple[AccessRow, ...])


def encode_access(value: AccessOperation | AccessResult | tuple[AccessRow, ...]) -> bytes:
    """The bytes of an operation, of its result, or of the rows of a table."""
    return msgspec.msgpack.encode(value)


def decode_operation(data: bytes) -> AccessOperation:
    """The operation in *data*, or MalformedMessage."""
    try:
        return _operations.decode(data)
    except _ERRORS as error:
        # The reason becomes part of the replicated state: no words of a library, whose versions may differ.
        raise MalformedMessage("not an operation on the access table") from error


def decode_result(data: bytes) -> AccessResult:
    """The result in *data*, or MalformedMessage."""
    try:
        return _results.decode(data)
    except _ERRORS as error:
        raise MalformedMessage(f"not a result of the access table: {error}") from None


def decode_rows(data: bytes) -> tuple[AccessRow, ...]:
    """The rows in *data*, or MalformedMessage."""
    try:
        return _tables.decode(data)
    except _ERRORS as error:
        raise MalformedMessage(f"not an access table: {error}") from None

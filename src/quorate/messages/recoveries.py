"""Recovery requests, as operations of the group itself: they are ordered like any other, in session 0, in the name of
the replica that recovers and under its signature. The request's timestamp is the counter of its new session keys."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from quorate.errors import MalformedMessage
from quorate.messages.protocol import REPLICAS_MAX, Half, Natural, ReplicaId, Request


class Recover(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Raise my recovery epoch; my session keys follow from this half from here on. Nobody knew it before, so nobody had
    this request before its sender began to recover."""

    half: Half


class Recovery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row of the table of recoveries: the last one of a replica."""

    replica: ReplicaId
    epoch: Natural
    """The sequence number at which its recovery request was executed."""
    counter: Natural
    half: Half
    time: Natural
    """The agreed time then."""


_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_operations: msgspec.msgpack.Decoder[Recover] = msgspec.msgpack.Decoder(Recover)
_tables: msgspec.msgpack.Decoder[tuple[Recovery, ...]] = msgspec.msgpack.Decoder(tuple[Recovery, ...])


def recovery_request(replica_key: bytes, counter: int, half: bytes) -> Request:
    """What a replica asks for that recovers."""
    return Request(replica_key, 0, counter, (msgspec.msgpack.encode(Recover(half)),))


def half_of(request: Request) -> bytes | None:
    """The half in a recovery request; None when it is no such request, whoever sent it."""
    if request.session != 0 or len(request.operations) != 1:
        return None
    try:
        return _operations.decode(request.operations[0]).half
    except _ERRORS:
        return None


def encode_recoveries(rows: tuple[Recovery, ...]) -> bytes:
    """The bytes of the table; none when nobody ever recovered."""
    return msgspec.msgpack.encode(rows) if rows else b""


def decode_recoveries(data: bytes) -> tuple[Recovery, ...]:
    """The rows in *data*, or MalformedMessage."""
    try:
        rows = _tables.decode(data) if data else ()
    except _ERRORS as error:
        raise MalformedMessage(f"not a table of recoveries: {error}") from None
    if len(rows) > REPLICAS_MAX:
        raise MalformedMessage("more recoveries than replicas")
    return rows

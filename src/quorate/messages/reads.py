"""The messages of read-only requests (OSDI'99 5.1; docs/PROTOCOL.md, RO-1 to RO-8)."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from quorate.messages.fields import ClientId, Natural, ReplicaId

READ_OPERATIONS_MAX: Final = 512
"""Operations of a READ: with so many, more would not make each one cheaper."""
READ_BYTES_MAX: Final = 256 << 10
"""Bytes of the results of a READ, which all replicas send whole. Where there are more, to order them is better: one
replica sends them then (DIG-1)."""


class Read(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=20):
    """READ: operations that only read, to be answered by each replica from its own state, without being ordered.

    The nonce is never used again by its client: an answer to it answers nothing else.
    """

    client: ClientId
    nonce: Natural
    operations: Annotated[tuple[bytes, ...], Meta(min_length=1, max_length=READ_OPERATIONS_MAX)]


class Answer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a replica answers to one operation: executed at any of its states since this number, it has this result."""

    result: bytes
    since: Natural


class ReadReply(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=21):
    """READ-REPLY: the answers to a READ, in the order of its operations, from the state after this sequence number.

    None where an operation has to be ordered: it may change something, its answer depends on the time, there is no room
    for its result, or this replica does not trust its own state just now.
    """

    client: ClientId
    nonce: Natural
    sequence_number: Natural
    answers: Annotated[tuple[Answer | None, ...], Meta(max_length=READ_OPERATIONS_MAX)]
    replica: ReplicaId

"""The operations that the gateway ships: the one place that knows how the Redis service wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quorate.errors import MalformedMessage
from quorate.gateways.resp.session import Session, WatchedKey
from quorate.services.redis import operation
from quorate.services.redis.operation import Pipeline, Transaction, Versions, Watched, encode_operation


def encode_pipeline(session: Session, commands: bytes) -> bytes:
    """Execute *commands* one after the other; the result is their replies, one after the other."""
    return encode_operation(Pipeline(session.database, session.protocol, commands))


def encode_transaction(session: Session, commands: bytes, watched: Mapping[WatchedKey, int]) -> bytes:
    """Execute *commands* if every watched key still has its version; the result is one array reply, or a null."""
    keys = [Watched(database, key, version) for (database, key), version in watched.items()]
    return encode_operation(Transaction(session.database, session.protocol, commands, keys))


def encode_versions(keys: Sequence[WatchedKey]) -> bytes:
    """Ask for the versions of *keys*."""
    return encode_operation(Versions(list(keys)))


def decode_versions(result: bytes, count: int) -> list[int] | None:
    """The *count* versions in the result of `encode_versions`; None when it is nothing of the kind."""
    try:
        versions = operation.decode_versions(result)
    except MalformedMessage:
        return None
    return versions if len(versions) == count else None

"""What a gateway asks of the Redis service: the operations' bytes, made at the gateway and read at every replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec

from quorate.errors import MalformedMessage

DATABASES = 16
"""As many as a Redis server has by default."""

DatabaseNumber = Annotated[int, msgspec.Meta(ge=0, lt=DATABASES)]
Protocol = Literal[2, 3]
"""The version of RESP that the replies are written in."""


class Pipeline(msgspec.Struct, tag="P", array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """Commands to run one after the other. The result is their replies, concatenated.

    `commands` are RESP arrays of bulk strings, one after the other: what a client sent, inline commands converted.
    Commands about the connection itself are the gateway's; only SELECT is obeyed, for the rest of the operation.
    """

    database: DatabaseNumber
    protocol: Protocol
    commands: bytes


class Watched(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    """A key that must still be as it was when a `Versions` operation gave this version of it."""

    database: DatabaseNumber
    key: bytes
    version: int


class Transaction(msgspec.Struct, tag="T", array_like=True, forbid_unknown_fields=True, frozen=True):
    """Commands to run as one EXEC. The result is the array of their replies, or the null array when one of the
    watched keys has another version by now and nothing was run."""

    database: DatabaseNumber
    protocol: Protocol
    commands: bytes
    watched: list[Watched]


class Versions(msgspec.Struct, tag="V", array_like=True, forbid_unknown_fields=True, frozen=True):
    """Ask for the versions of keys. The result is for `decode_versions`.

    A version is a number that changes with every change of the key; 0 means that there is no such key.
    """

    keys: list[tuple[DatabaseNumber, bytes]]


Operation = Pipeline | Transaction | Versions

_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], Operation] = msgspec.msgpack.Decoder(Operation).decode
_decode_versions = msgspec.msgpack.Decoder(list[int]).decode


def encode_operation(operation: Operation) -> bytes:
    """The bytes to have ordered."""
    return _encode(operation)


def encode_command(words: Sequence[bytes]) -> bytes:
    """A command as Redis clients send it, and a `Pipeline` holds it: an array of bulk strings."""
    return b"*%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))


def decode_operation(data: bytes) -> Operation:
    """The operation that the bytes are; MalformedMessage when they are none."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not a Redis operation: {error}") from None


def encode_versions(versions: list[int]) -> bytes:
    """The result of a `Versions` operation."""
    return _encode(versions)


def decode_versions(result: bytes) -> list[int]:
    """The versions that a `Versions` operation returned; MalformedMessage when the result holds none."""
    try:
        return _decode_versions(result)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not a list of versions: {error}") from None

"""Bytes to messages and back. Any bytes decode to a message or to `MalformedMessage`, in time linear in their length.

A *frame* is what travels and what is stored: an `Envelope` of the message's bytes, their authentication, and
attachments that prove themselves by a digest inside the message (a PRE-PREPARE's batch). Authentication covers the
message's bytes as received; nothing is ever re-encoded to be checked. That matters, as a message can be written in
more than one way: msgpack has longer forms of a small number, and they decode.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from quorate.errors import MalformedMessage
from quorate.messages.protocol import WINDOW_MAX, Batch, Message

ATTACHMENTS_MAX: Final = WINDOW_MAX


class Envelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A sealed message. Its type says whether `authentication` is a signature, one MAC or a vector of MACs."""

    payload: bytes
    authentication: Annotated[bytes, Meta(max_length=2048)]
    attachments: Annotated[tuple[bytes, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()


_encoder = msgspec.msgpack.Encoder()
_message_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_envelope_decoder = msgspec.msgpack.Decoder(Envelope)
_batch_decoder = msgspec.msgpack.Decoder(Batch)
_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def encode(message: Message) -> bytes:
    """The bytes of a message, which its authentication covers."""
    return _encoder.encode(message)


def decode(payload: bytes) -> Message:
    """The message of *payload*, or MalformedMessage."""
    try:
        return _message_decoder.decode(payload)
    except _ERRORS as error:
        raise MalformedMessage(f"not a message: {error}") from None


def encode_envelope(envelope: Envelope) -> bytes:
    """The frame of an envelope."""
    return _encoder.encode(envelope)


def decode_envelope(frame: bytes) -> Envelope:
    """The envelope in *frame*, or MalformedMessage."""
    try:
        return _envelope_decoder.decode(frame)
    except _ERRORS as error:
        raise MalformedMessage(f"not an envelope: {error}") from None


def without_attachments(frame: bytes) -> bytes:
    """The frame of the same sealed message without what travelled beside it: what a certificate needs."""
    envelope = decode_envelope(frame)
    return encode_envelope(Envelope(envelope.payload, envelope.authentication))


def encode_batch(batch: Batch) -> bytes:
    """The bytes of a batch, as they travel beside a PRE-PREPARE."""
    return _encoder.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """The batch in *data*, or MalformedMessage."""
    try:
        return _batch_decoder.decode(data)
    except _ERRORS as error:
        raise MalformedMessage(f"not a batch: {error}") from None

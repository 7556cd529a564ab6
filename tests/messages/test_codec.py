"""The codec: any bytes are a message or MalformedMessage, in bounded time and memory; round trips; bounds."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.strategies import OF_TYPE, batches, messages, texts
from quorate.errors import MalformedMessage
from quorate.messages import protocol
from quorate.messages.codec import (
    ATTACHMENTS_MAX,
    Envelope,
    decode,
    decode_batch,
    decode_envelope,
    encode,
    encode_batch,
    encode_envelope,
    without_attachments,
)
from quorate.messages.protocol import Batch, Commit, Message, Request
from quorate.messages.reads import READ_OPERATIONS_MAX

KINDS = get_args(Message)


def test_every_type_has_a_strategy() -> None:
    """A new message is tested here from its first day."""
    assert set(OF_TYPE) == set(KINDS)


def test_every_type_has_a_tag_of_its_own() -> None:
    """The bytes say which message they are: none passes for another."""
    tags = [kind.__struct_config__.tag for kind in KINDS]
    assert len(set(tags)) == len(tags)


@settings(deadline=None)
@given(messages)
def test_a_message_survives_the_round_trip(message: Message) -> None:
    """decode(encode(m)) == m, of the same type."""
    again = decode(encode(message))
    assert again == message
    assert type(again) is type(message)


@settings(deadline=None)
@given(messages, texts | st.integers(0, 9) | st.none())
def test_a_message_with_more_than_its_fields_is_none(message: Message, more: object) -> None:
    """What was signed says no more than what is read; also deep inside."""
    fields = msgspec.msgpack.decode(encode(message))
    assert decode(msgspec.msgpack.encode(fields)) == message
    with pytest.raises(MalformedMessage):
        decode(msgspec.msgpack.encode([*fields, more]))
    for place, field in enumerate(fields):
        if isinstance(field, list) and field and isinstance(field[0], list):
            inside = [*fields[:place], [[*field[0], b""], *field[1:]], *fields[place + 1 :]]
            with pytest.raises(MalformedMessage):
                decode(msgspec.msgpack.encode(inside))


@settings(deadline=None)
@given(batches, st.builds(Envelope, texts, texts, st.lists(texts, max_size=4).map(tuple)))
def test_a_batch_or_an_envelope_with_more_than_its_fields_is_none(batch: Batch, envelope: Envelope) -> None:
    for content, decoder in ((encode_batch(batch), decode_batch), (encode_envelope(envelope), decode_envelope)):
        with pytest.raises(MalformedMessage):
            decoder(msgspec.msgpack.encode([*msgspec.msgpack.decode(content), b""]))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    """Nothing else comes out, whatever goes in."""
    for decoder in (decode, decode_envelope, decode_batch):
        try:
            decoder(data)
        except MalformedMessage:
            continue


@settings(deadline=None)
@given(messages, st.data())
def test_damaged_bytes_are_a_message_or_malformed(message: Message, data: st.DataObject) -> None:
    """Cut, changed, doubled: still no other error."""
    payload = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for damaged in (bytes(payload), bytes(payload[:cut]), bytes(payload) + bytes(payload)):
        with suppress(MalformedMessage):
            decode(damaged)


@settings(deadline=None)
@given(st.builds(Envelope, texts, texts, st.lists(texts, max_size=4).map(tuple)))
def test_an_envelope_survives_the_round_trip(envelope: Envelope) -> None:
    """And without its attachments it is the same sealed message."""
    frame = encode_envelope(envelope)
    assert decode_envelope(frame) == envelope
    assert decode_envelope(without_attachments(frame)) == Envelope(envelope.payload, envelope.authentication)


@settings(deadline=None)
@given(batches)
def test_a_batch_survives_the_round_trip(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


def bounds() -> list[tuple[str, object]]:
    """Values just outside the bounds of every field that has some."""
    digest, client = b"d" * 32, b"c" * 32
    request = [1, client, 1, 1, [b"x"]]
    commit = [4, 1, 1, digest, 1]
    read, answers = [20, client, 1, [b"x"]], [21, client, 1, 1, [None], 0]
    status = [9, 0, False, 0, 0, b"", 0, [], 0]
    cases: list[tuple[str, object]] = [
        ("short client", [1, client[:-1], 1, 1, []]),
        ("long client", [1, client + b"c", 1, 1, []]),
        ("negative session", [1, client, -1, 1, []]),
        ("huge timestamp", [1, client, 1, 2**63, []]),
        ("too many operations", [1, client, 1, 1, [b""] * (protocol.OPERATIONS_MAX + 1)]),
        ("a read of nothing", [*read[:3], []]),
        ("a read of too much", [*read[:3], read[3] * (READ_OPERATIONS_MAX + 1)]),
        ("too many answers", [*answers[:4], [None] * (READ_OPERATIONS_MAX + 1), 0]),
        ("operations that are none", [1, client, 1, 1, [1]]),
        ("operations as one", [1, client, 1, 1, b"x"]),
        ("negative view", [4, -1, 1, digest, 1]),
        ("huge number", [4, 1, 2**64 - 1, digest, 1]),
        ("short digest", [4, 1, 1, digest[:-1], 1]),
        ("long digest", [4, 1, 1, digest + b"d", 1]),
        ("64th replica", [4, 1, 1, digest, 64]),
        ("negative replica", [4, 1, 1, digest, -1]),
        ("float number", [4, 1.5, 1, digest, 1]),
        ("too short", commit[:-1]),
        ("no list", 4),
        ("a map", {"view": 1}),
        ("no such type", [0, *commit[1:]]),
        ("no such type ", [99, *commit[1:]]),
        ("type as text", ["4", *commit[1:]]),
        ("long slots", [*status[:5], b"x" * (protocol.WINDOW_MAX + 1), *status[6:]]),
        ("outcome", [5, 0, client, 0, 0, 16, [], 0]),
        ("too many checkpoints", [7, 1, 0, [[0, digest]] * 65, [], [], 0, 0]),
        ("too many claims", [7, 1, 0, [], [[1, digest, 0]] * (protocol.WINDOW_MAX + 1), [], 0, 0]),
        ("too many frames", [8, 1, [b""] * (protocol.REPLICAS_MAX + 1), [0, digest], [], 0, 0]),
        ("long path", [15, 1, [[0] * 17], 0]),
        ("huge index", [15, 1, [[2**32]], 0]),
    ]
    for message in (request, commit, status, read, answers):
        decode(msgspec.msgpack.encode(message))
    return cases


@pytest.mark.parametrize(("what", "value"), bounds(), ids=[what for what, _ in bounds()])
def test_what_is_out_of_bounds_does_not_decode(what: str, value: object) -> None:
    """Every field has bounds; a value outside them is no message."""
    with pytest.raises(MalformedMessage):
        decode(msgspec.msgpack.encode(value))


def test_envelopes_have_bounds_too() -> None:
    """Authentication and attachments."""
    for value in (
        [b"p"],
        [b"p", b"a" * 2049],
        [b"p", b"a", [b""] * (ATTACHMENTS_MAX + 1)],
        [1, b"a"],
        ["p", b"a"],
        [b"p", None],
    ):
        with pytest.raises(MalformedMessage):
            decode_envelope(msgspec.msgpack.encode(value))
    with pytest.raises(MalformedMessage):
        decode_batch(msgspec.msgpack.encode([0, [b""] * (protocol.REQUESTS_MAX + 1)]))


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x95\x01\xdd\xff\xff\xff\xff",
        b"\x95\x01\xc4\x20" + b"c" * 32 + b"\x00\x00\xdd\xff\xff\xff\xff",
        b"\x95\x01\xc4\x20" + b"c" * 32 + b"\x00\x00\x91\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\xa1a" * 100_000,
        b"\x92\x0c\x00" + b"\x91" * 100_000,
        b"\x94\x0c\x00" + b"\x91" * 100_000,
        b"\x93\x0c\x00" + b"\xdd\xff\xff\xff\xff",
    ],
    ids=range(12),
)
def test_lengths_that_lie_cost_nothing(data: bytes) -> None:
    """A header that promises four gigabytes, or nesting without end, allocates next to nothing before it is refused."""
    tracemalloc.start()
    try:
        for decoder in (decode, decode_envelope, decode_batch):
            with suppress(MalformedMessage):
                decoder(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_decoding_is_linear_in_memory() -> None:
    """What a message costs decoded is a small multiple of its bytes."""
    frame = encode(Request(b"c" * 32, 1, 1, (b"",) * protocol.OPERATIONS_MAX))
    tracemalloc.start()
    try:
        decode(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(frame)


def test_a_decoded_message_cannot_be_changed() -> None:
    """Frozen: shared freely, never copied."""
    message = Commit(1, 2, b"d" * 32, 3)
    with pytest.raises(AttributeError):
        message.view = 2  # type: ignore[misc]

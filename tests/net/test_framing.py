"""Frames on a byte stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.net.framing import PREFIX_BYTES, FrameBuffer, FrameTooLarge, frame

LIMIT = 64
payloads = st.lists(st.binary(max_size=LIMIT), max_size=12)


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    """The stream in chunks of these sizes, then the rest."""
    chunks, position = [], 0
    for size in sizes:
        chunks.append(stream[position : position + size])
        position += size
    return [*chunks, stream[position:]]


@given(payloads, st.lists(st.integers(0, 40), max_size=60))
def test_any_chunking_yields_the_same_frames(sent: list[bytes], sizes: list[int]) -> None:
    buffer = FrameBuffer(LIMIT)
    stream = b"".join(frame(payload) for payload in sent)

    received = [payload for chunk in cut(stream, sizes) for payload in buffer.feed(chunk)]

    assert received == sent
    assert buffer.pending_bytes == 0


@given(payloads)
def test_byte_by_byte(sent: list[bytes]) -> None:
    buffer = FrameBuffer(LIMIT)
    stream = b"".join(frame(payload) for payload in sent)

    received = [payload for byte in stream for payload in buffer.feed(bytes([byte]))]

    assert received == sent


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_any_garbage_gives_frames_or_one_error_and_a_bounded_buffer(chunks: list[bytes]) -> None:
    buffer = FrameBuffer(LIMIT)
    for chunk in chunks:
        try:
            frames = buffer.feed(chunk)
        except FrameTooLarge:
            break
        assert all(len(payload) <= LIMIT for payload in frames)
        assert buffer.pending_bytes < PREFIX_BYTES + LIMIT


def test_a_frame_at_the_limit_passes_and_one_above_is_refused_with_both_sizes() -> None:
    assert FrameBuffer(LIMIT).feed(frame(b"x" * LIMIT)) == [b"x" * LIMIT]

    with pytest.raises(FrameTooLarge, match="a frame of 65 bytes is above the limit of 64") as refusal:
        FrameBuffer(LIMIT).feed(frame(b"x" * (LIMIT + 1)))
    assert (refusal.value.size, refusal.value.limit) == (65, 64)


@pytest.mark.parametrize("at", range(1, 5))
def test_an_announcement_above_the_limit_is_refused_wherever_it_is_cut_and_for_good(at: int) -> None:
    buffer = FrameBuffer(LIMIT)
    stream = frame(b"") + (2**32 - 1).to_bytes(4, "big")
    assert buffer.feed(stream[: 4 + at - 1]) == [b""]

    with pytest.raises(FrameTooLarge):
        buffer.feed(stream[4 + at - 1 :])
    with pytest.raises(FrameTooLarge):
        buffer.feed(frame(b"fine"))


def test_an_announced_length_costs_no_memory_before_its_bytes_come() -> None:
    buffer = FrameBuffer(1 << 30)
    buffer.feed((1 << 30).to_bytes(4, "big") + b"abc")

    assert buffer.pending_bytes == 7


def test_a_frame_within_one_chunk_is_cut_out_of_it_and_not_gathered() -> None:
    buffer = FrameBuffer(LIMIT)
    first, second = frame(b"a" * 10), frame(b"b" * 10)

    assert buffer.feed(first[:5]) == []
    assert buffer.feed(first[5:] + second + b"\0") == [b"a" * 10, b"b" * 10]
    assert buffer.pending_bytes == 1

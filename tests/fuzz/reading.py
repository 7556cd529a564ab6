"""Targets: what makes messages of bytes. Any bytes give a message, or one of two errors."""

from __future__ import annotations

from contextlib import suppress

from core.group import Group
from fuzz.source import Source
from quorate.config import Settings
from quorate.core.log import open_batch
from quorate.core.ports import Opened
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.codec import (
    Envelope,
    decode,
    decode_batch,
    decode_envelope,
    encode,
    encode_batch,
    encode_envelope,
    without_attachments,
)
from quorate.net.framing import FrameBuffer, FrameTooLarge, frame
from quorate.net.handshake import HELLO_BYTES, NONCE_BYTES, PROOF_BYTES, Handshake, HandshakeRefused, Role

GROUPS = [Group(4, Settings()), Group(4, Settings(replica_authentication="signature"))]
FRAME_BYTES_MAX = 64


def codec(data: bytes) -> None:
    """Messages, envelopes, batches: what decodes encodes to what decodes to the same."""
    with suppress(MalformedMessage):
        message = decode(data)
        assert decode(encode(message)) == message
    with suppress(MalformedMessage):
        envelope = decode_envelope(data)
        assert decode_envelope(encode_envelope(envelope)) == envelope
        assert decode_envelope(without_attachments(data)).attachments == ()
    with suppress(MalformedMessage):
        batch = decode_batch(data)
        assert decode_batch(encode_batch(batch)) == batch
    with suppress(MalformedMessage):
        opened = open_batch(data)
        assert len(opened.requests) == len(opened.digests)


def authentication(data: bytes) -> None:
    """Frames: nothing is authentic that nobody sealed, whether the envelope is made of the bytes or is the bytes."""
    source = Source(data)
    group = source.choose(GROUPS)
    authentication = source.piece(80)
    payload = source.take(1 << 16)
    for attachments in ((), (payload,)):
        for received in (encode_envelope(Envelope(payload, authentication, attachments)), data):
            for authenticator in (*group.authenticators, *group.clients):
                with suppress(MalformedMessage, AuthenticationFailed):
                    raise AssertionError(f"authentic: {authenticator.open(received)}")


def sealed(data: bytes) -> None:
    """Any payload under real keys: it is authentic, in its sender's name, exactly if it is a message of that sender."""
    source = Source(data)
    group, sender = source.choose(GROUPS), source.below(4)
    payload = source.take(1 << 16)
    try:
        message = decode(payload)
    except MalformedMessage:
        return
    if getattr(message, "replica", None) == sender:
        opened = seal_and_open(group, sender, payload)
        assert opened is None or (opened.message, opened.envelope.payload) == (message, payload)


def seal_and_open(group: Group, sender: int, payload: bytes) -> Opened | None:
    """What replica (sender + 1) % 4 makes of a payload that the sender signed."""
    pair = group.authenticators[sender]._keys
    envelope = Envelope(payload, pair.key_pair.sign(pair.domain + payload))
    with suppress(AuthenticationFailed):
        return group.authenticators[(sender + 1) % 4].open(encode_envelope(envelope))
    return None


def framing(data: bytes) -> None:
    """The frames of a stream do not depend on how it was cut; no more is held than one of them."""
    source = Source(data)
    cuts = [source.below(40) for _ in range(source.below(12))]
    stream = source.take(1 << 16)
    pieces, position = [], 0
    for cut in cuts:
        pieces.append(stream[position : position + cut])
        position += cut
    whole, one_by_one = unframed([stream]), unframed([*pieces, stream[position:]])
    if whole[1]:
        assert one_by_one[1]
        assert whole[0] == one_by_one[0][: len(whole[0])]  # what one read completed before an error is lost with it
    else:
        assert whole == one_by_one
    assert unframed([b"".join(map(frame, one_by_one[0]))]) == (one_by_one[0], False)


def unframed(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """The frames of a stream, and whether it ends with one that is too large."""
    buffer, frames = FrameBuffer(FRAME_BYTES_MAX), []
    for piece in pieces:
        try:
            frames += buffer.feed(piece)
        except FrameTooLarge:
            return frames, True
        assert buffer.pending_bytes < FRAME_BYTES_MAX + 4
    return frames, False


def handshake(data: bytes) -> None:
    """Whoever holds no member's key is refused or waits for ever, also with a member's HELLO before the bytes."""
    from net.conftest import members_of

    members = members_of()
    source = Source(data)
    role, member, other = source.choose(list(Role)), source.below(5), source.below(6)
    ours = Handshake(members.identity(member), role, bytes(NONCE_BYTES))
    stream = source.take(1 << 12)
    if other != member and source.below(4):
        theirs = Handshake(members.identity(other), Role(1 - role), bytes(NONCE_BYTES)).hello
        kept = source.below(HELLO_BYTES + 1)
        stream = theirs[:kept] + stream
    cut = source.below(len(stream) + 1)
    with suppress(HandshakeRefused):
        for piece in (stream[:cut], stream[cut:]):
            assert len(ours.feed(piece)) in (0, PROOF_BYTES)
    assert ours.peer is None

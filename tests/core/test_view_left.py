"""What happens at the moment in which a view is left, and at the moment in which the next one is entered."""

from __future__ import annotations

from core.group import Group
from quorate.auth.authenticator import MAC_BYTES
from quorate.config import Settings
from quorate.core.context import Status
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import NewView, Prepare, PrePrepare

MACS = Settings(checkpoint_interval=4, request_authentication="mac")


def spoilt(frame: bytes, *receivers: int) -> bytes:
    """A request whose authenticator does not hold at these replicas (C1)."""
    envelope = decode_envelope(frame)
    macs = bytearray(envelope.authentication)
    for receiver in receivers:
        macs[MAC_BYTES * receiver] ^= 1
    return encode_envelope(Envelope(envelope.payload, bytes(macs)))


def test_vc_6_the_primary_forgets_what_it_could_not_get_prepared() -> None:
    """C1: a request that is authentic at the primary alone ends its view. It does so once, not in each of its views."""
    group = Group(4, MACS)
    session, other = group.open_session(), group.open_session(1, 2)
    group.submit(spoilt(group.request((b"add 1",), session, 1), 1, 2, 3), 0)
    good = group.request((b"add 2",), other, 1, client=1)
    assert len(group.core(0).waiting) == 1
    group.submit(good)
    group.advance(3_000)
    assert {group.core(number).view for number in range(4)} == {1}
    assert len(group.core(0).waiting) == 0
    group.advance(10_000)
    assert {group.core(number).view for number in range(4)} == {1}, "nothing of it is left that could end a view"


def test_vc_6_what_others_wait_for_is_not_forgotten() -> None:
    """Only the requests of the primary's own proposals that did not prepare, and only at this primary."""
    group = Group(4, MACS)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, PrePrepare) or message.view > 0
    group.submit(group.request((b"add 1",), session, 1))
    for number in (1, 2, 3):
        assert len(group.core(number).waiting) == 1
    group.advance(3_000)
    assert [group.core(number).view for number in range(4)] == [1] * 4
    assert [reply.results for _, reply in group.replies if reply.session == session] == [(b"1",)] * 4


def test_nv_4_the_first_pre_prepare_may_come_in_one_turn_with_the_new_view() -> None:
    """The new primary proposes at once; a backup hears both together, and votes for both in that turn."""
    group = Group(4, MACS)
    session = group.open_session()
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 1))
    held: list[bytes] = []
    while not any(isinstance(message, NewView) for _, message in group.sent):
        if group.wire:
            _, receiver, frame = group.wire.popleft()
            group.receive(receiver, frame)
        else:
            group.now += 10_000
            for number in (1, 2, 3):
                group.settle(number)
    while group.wire:
        sender, receiver, frame = group.wire.popleft()
        if receiver == 2 and sender == 1:
            held.append(frame)
    backup = group.replicas[2]
    for frame in held:
        backup.receive(group.authenticators[2].open(frame), group.now, group.wall)
    group.settle(2)
    assert group.core(2).status is Status.NORMAL
    assert [message.view for sender, message in group.sent if sender == 2 and isinstance(message, Prepare)][-1] == 1

"""What happens at the moment in which a view is left, and at the moment in which the next one is entered."""

from __future__ import annotations

from core.group import Group, total_of
from quorate.auth.authenticator import MAC_BYTES
from quorate.config import Settings
from quorate.core import view_change
from quorate.core.context import DOUBTED_MAX, Status
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import NewView, Prepare, PrePrepare, Request, ViewChange

MACS = Settings(checkpoint_interval=4, request_authentication="mac")


def spoilt(frame: bytes, *receivers: int) -> bytes:
    """A request whose authenticator does not hold at these replicas (C1)."""
    envelope = decode_envelope(frame)
    macs = bytearray(envelope.authentication)
    for receiver in receivers:
        macs[MAC_BYTES * receiver] ^= 1
    return encode_envelope(Envelope(envelope.payload, bytes(macs)))


def results(group: Group, session: int, timestamp: int) -> list[tuple[bytes | None, ...]]:
    """What the replicas answered."""
    return [reply.results for _, reply in group.replies if (reply.session, reply.timestamp) == (session, timestamp)]


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


def test_req_3_a_client_whose_macs_cost_a_view_has_to_sign() -> None:
    """C1: the old primary takes no MACs of that client any more, neither as a request nor inside a PRE-PREPARE; nobody
    else has a reason to doubt it, and others are not doubted."""
    group = Group(4, MACS)
    session, other = group.open_session(), group.open_session(1, 2)
    group.submit(spoilt(group.request((b"add 1",), session, 1), 1, 2, 3), 0)
    group.submit(group.request((b"add 2",), other, 1, client=1))
    group.advance(3_000)
    liar = group.clients[0]
    assert [list(group.core(number).doubted) for number in range(4)] == [[liar.client_id], [], [], []]
    incidents = dict(group.core(0).incidents)
    group.submit(group.request((b"add 4",), session, 2), 0)
    assert len(group.core(0).waiting) == 0
    assert dict(group.core(0).incidents) == incidents, "an honest client may do so too"
    group.submit(group.request((b"add 4",), session, 2), 1)
    assert len(group.core(0).waiting) == 0
    assert results(group, session, 2) == [(b"6",)] * 4


def test_req_3_an_honest_client_is_served_all_the_same() -> None:
    """Its request was in a proposal that did not prepare, for another reason. It asks again, signed."""
    group = Group(4, MACS)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, PrePrepare)
    group.submit(group.request((b"add 1",), session, 1), 0)
    view_change.start(group.core(0), 1, "the test says so")
    group.settle(0)
    client = group.clients[0]
    assert list(group.core(0).doubted) == [client.client_id]
    group.reaches = lambda sender, receiver, message: True
    signed = client.seal(Request(client.client_id, session, 1, (b"add 1",)), True)
    group.submit(signed)
    group.advance(3_000)
    assert results(group, session, 1) == [(b"1",)] * 4


def test_req_3_so_many_are_doubted() -> None:
    group = Group(4, MACS)
    core = group.core(0)
    for number in range(DOUBTED_MAX + 10):
        core.doubt(number.to_bytes(32, "big"))
    core.doubt((10).to_bytes(32, "big"))
    assert len(core.doubted) == DOUBTED_MAX
    assert list(core.doubted)[-1] == (10).to_bytes(32, "big")
    assert (9).to_bytes(32, "big") not in core.doubted


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


def test_what_a_client_keeps_from_a_new_primary_is_passed_on_to_it_however_much_it_is() -> None:
    """While views change a client sends requests to all but the next primary, more than a batch takes."""
    group = Group(4, Settings(batch_requests_max=2))
    sessions = [group.open_session(timestamp=1 + number) for number in range(10)]
    group.reaches = lambda sender, receiver, message: not isinstance(message, ViewChange)
    for number in range(4):
        view_change.start(group.core(number), 1, "the test says so")
        group.settle(number)
    for session in sessions:
        group.submit(group.request((b"add 1",), session, 1), 0, 2, 3)
    group.reaches = lambda sender, receiver, message: True
    group.advance(3_000)
    assert {group.core(number).view for number in range(4)} == {1}, "the new primary has done nothing wrong"
    assert [total_of(service) for service in group.services] == [10] * 4

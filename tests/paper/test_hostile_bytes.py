"""What attacker-chosen bytes can bring about: nothing but a refusal (architecture: limits; facts B5, B20, B21, C4, C7).

Safety never hangs on any of this. But a frame that a correct replica keeps and passes on must be no longer than what it
says, or the largest legal NEW-VIEW does not fit the frame limit; and no bytes may raise out of the rules.
"""

from __future__ import annotations

import msgspec
import pytest

from core.group import Group, configuration_of, state_of
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.config import ClientEntry, Settings
from quorate.core import admission
from quorate.core.context import Status
from quorate.core.ports import Opened
from quorate.core.waiting import Waiting, WaitingRequests
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.codec import Envelope, decode, decode_envelope, encode, encode_envelope
from quorate.messages.digests import request_digest
from quorate.messages.protocol import (
    Checkpoint,
    CheckpointClaim,
    Commit,
    Decided,
    FetchBatches,
    FetchState,
    Message,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    Reply,
    Request,
    StatePieces,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage

TOP = 2**63 - 1
DIGEST = b"d" * 32
SIGNED = Settings(replica_authentication="signature", checkpoint_interval=4)
MACS = Settings(checkpoint_interval=4)
JUNK = b"j" * 4096


def claims(group: Group, number: int = 0) -> tuple[CheckpointClaim, ...]:
    held = group.core(number).checkpoints.held
    return tuple(CheckpointClaim(at, checkpoint.digest) for at, checkpoint in sorted(held.items()))


def sealed(group: Group, sender: int, payload: bytes) -> bytes:
    """A frame of any payload, under the sender's signature."""
    keys = group.authenticators[sender]._keys
    return encode_envelope(Envelope(payload, keys.key_pair.sign(keys.domain + payload)))


def padded(message: Message) -> bytes:
    """The message with an element too many."""
    return msgspec.msgpack.encode([*msgspec.msgpack.decode(encode(message)), JUNK])


def stretched(message: Message) -> bytes:
    """The message in a longer form, which decodes as the message does: the length of its array takes four bytes."""
    shortest = encode(message)
    payload = b"\xdd" + (shortest[0] & 0x0F).to_bytes(4, "big") + shortest[1:]
    if decode(payload) != message:
        raise AssertionError
    return payload


def refused(group: Group, receiver: int, frame: bytes) -> bool:
    """Whether the rules refuse a frame and stay as they were."""
    core = group.core(receiver)
    before = state_of(core)
    group.replicas[receiver].receive(group.authenticators[receiver].open(frame), group.now, group.wall)
    return state_of(core) == before


def test_frame_1_nothing_travels_beside_a_message_that_carries_nothing() -> None:
    """A VIEW-CHANGE with megabytes beside it would travel on inside NEW-VIEWs, a CHECKPOINT inside certificates."""
    group = Group(4, MACS)
    for message in (
        ViewChange(1, 0, claims(group), (), (), 2, 0),
        Checkpoint(4, DIGEST, 2, 0),
        Prepare(0, 1, DIGEST, 2),
        Commit(0, 1, DIGEST, 2),
    ):
        assert refused(group, 0, group.authenticators[2].seal(message, (JUNK,), 0)), message
        assert not refused(group, 0, group.authenticators[2].seal(message, (), 0)), message
    request = decode_envelope(group.request((), 0, 1))
    assert refused(group, 0, encode_envelope(request.__class__(request.payload, request.authentication, (JUNK,))))


@pytest.mark.parametrize("settings", [MACS, SIGNED], ids=["macs", "signatures"])
def test_frame_1_a_frame_that_is_kept_is_no_longer_than_what_it_says(settings: Settings) -> None:
    """Elements too many do not decode. The few bytes by which a longer form of a number can stretch a vote are within
    its bound; a VIEW-CHANGE has many numbers."""
    group = Group(4, settings)
    view_change = ViewChange(1, 0, claims(group), (), (), 2, 0)
    kept: list[Message] = [view_change, Checkpoint(4, DIGEST, 2, 0)]
    if settings is SIGNED:
        kept += [Prepare(0, 1, DIGEST, 2), Commit(0, 1, DIGEST, 2)]
    for message in kept:
        with pytest.raises(MalformedMessage):
            group.authenticators[0].open(sealed(group, 2, padded(message)))
    assert refused(group, 0, sealed(group, 2, stretched(view_change)))
    for message in kept:
        assert not refused(group, 0, group.authenticators[2].seal(message, (), 0)), message


def test_frame_1_with_macs_the_set_p_carries_no_certificates() -> None:
    """Nobody checks them then, so nobody may send them."""
    group = Group(4, MACS)
    claim = PreparedClaim(1, DIGEST, 0, (JUNK,))
    assert "certificate" in group.refusal(0, 2, ViewChange(1, 0, claims(group), (claim,), (), 2, 0))


def test_vc_4_a_certificate_has_a_quorum_of_frames_and_nothing_else() -> None:
    """PRE-PREPARE and quorum - 1 PREPAREs: one more, or one with something beside it, is not what a replica keeps."""
    group = Group(4, SIGNED)
    frames = [group.authenticators[0].seal(PrePrepare(0, 1, DIGEST, 0))]
    frames += [group.authenticators[number].seal(Prepare(0, 1, DIGEST, number)) for number in (1, 2, 3)]
    wide = group.authenticators[2].seal(Prepare(0, 1, DIGEST, 2), (JUNK,))
    core = group.core(0)
    assert admission.has_certificate(core, PreparedClaim(1, DIGEST, 0, tuple(frames[:3])))
    assert not admission.has_certificate(core, PreparedClaim(1, DIGEST, 0, tuple(frames)))
    assert not admission.has_certificate(core, PreparedClaim(1, DIGEST, 0, (*frames[:2], wide)))


def test_nv_4_what_travels_beside_a_new_view_convicts_nobody() -> None:
    """The signed PRE-PREPAREs beside a NEW-VIEW are not under its signature: whoever passes it on may have changed
    them.
    A correct primary's NEW-VIEW without them is refused, and the next copy of it is taken."""
    group = Group(4, SIGNED)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
    group.submit(group.request((), 0, 1))
    group.stopped.add(0)
    group.reaches = lambda sender, receiver, message: (
        not (isinstance(message, Commit | Decided) or (receiver == 3 and isinstance(message, NewView)))
    )
    group.advance(1100)
    frame = group.core(1).views.new_view_frame
    assert (group.core(3).view, group.core(3).status) == (1, Status.VIEW_CHANGE)
    envelope = decode_envelope(frame)
    assert envelope.attachments
    group.receive(3, encode_envelope(Envelope(envelope.payload, envelope.authentication)))
    assert (group.core(3).view, group.core(3).status) == (1, Status.VIEW_CHANGE)
    group.receive(3, frame)
    assert (group.core(3).view, group.core(3).status) == (1, Status.NORMAL)


def test_with_macs_nothing_travels_beside_a_new_view() -> None:
    """It would be kept, and passed on."""
    group = Group(4, MACS)
    group.stopped.add(0)
    group.reaches = lambda sender, receiver, message: not (receiver == 3 and isinstance(message, NewView))
    group.submit(group.request((), 0, 1))
    group.advance(1100)
    envelope = decode_envelope(group.core(1).views.new_view_frame)
    group.receive(3, encode_envelope(Envelope(envelope.payload, envelope.authentication, (JUNK,))))
    assert (group.core(3).view, group.core(3).status) == (1, Status.VIEW_CHANGE)


def hostile_messages(group: Group, sender: int) -> list[tuple[Message, tuple[bytes, ...]]]:
    """Messages whose numbers are as extreme as the format allows, in the name of one replica."""
    top = TOP // 4 * 4
    huge = tuple(CheckpointClaim(top - 4 * at, DIGEST) for at in range(3))
    messages: list[tuple[Message, tuple[bytes, ...]]] = []
    for view in (0, 1, 2, 5, TOP):
        for number in (0, 1, 8, 9, TOP):
            messages += [
                (PrePrepare(view, number, DIGEST, sender), (b"\x92\x00\x90",)),
                (PrePrepare(view, number, DIGEST, sender), ()),
                (PrePrepare(view, number, DIGEST, sender), (b"junk",)),
                (Prepare(view, number, DIGEST, sender), ()),
                (Commit(view, number, DIGEST, sender), ()),
                (Decided((), sender), ()),
                (StatusMessage(view, True, number, TOP, b"\xff" * 4096, TOP, (DIGEST,), sender), ()),
                (StatusMessage(view, False, number, 0, b"", 0, (), sender), ()),
            ]
        messages += [
            (ViewChange(view, top - 8, huge, (PreparedClaim(TOP, DIGEST, view),), (), sender, 0), ()),
            (ViewChange(view, 0, claims(group), (), (), sender, TOP), ()),
            (ViewChange(view, 0, claims(group), (PreparedClaim(1, DIGEST, 0, (b"",)),), (), sender, 0), ()),
            (NewView(view, (), CheckpointClaim(TOP, DIGEST), (), sender, 0), ()),
            (NewView(view, (b"", b"x", b"\x93"), CheckpointClaim(0, DIGEST), (), sender, 0), (b"", b"\x00")),
        ]
    messages += [
        (Checkpoint(top, DIGEST, sender, 0), ()),
        (Checkpoint(top - 4, DIGEST, sender, 0), ()),
        (Checkpoint(0, DIGEST, sender, TOP), ()),
        (FetchBatches((DIGEST,) * 2, sender), ()),
        (FetchBatches((DIGEST,), sender), ()),
        (FetchState(0, (), sender), ()),
        (FetchState(0, ((), (0,), (2**32 - 1,) * 16), sender), ()),
        (FetchState(TOP, ((1,),), sender), ()),
        (StatePieces(0, (), sender), ()),
        (StatePieces(8, ((),), sender), (b"", b"", b"")),
    ]
    return messages


@pytest.mark.parametrize("settings", [MACS, SIGNED], ids=["macs", "signatures"])
@pytest.mark.parametrize("status", ["normal", "view-change", "fetching"])
@pytest.mark.parametrize("liar", [1, 3])
def test_no_authentic_message_raises_out_of_the_rules(settings: Settings, status: str, liar: int) -> None:
    """One replica that lies in every number: the others neither raise nor move, and go on serving."""
    group = Group(4, settings)
    session = group.open_session()
    if status == "view-change":
        group.reaches = lambda sender, receiver, message: not isinstance(message, NewView)
        group.stopped.add(0)
        group.submit(group.request((b"add 1",), session, 1))
        group.advance(1100)
        assert group.core(2).status is Status.VIEW_CHANGE
    if status == "fetching":
        group.stopped.add(2)
        for timestamp in range(1, 60):
            group.submit(group.request((b"add 1",), session, timestamp), 0)
            group.advance(30)
        group.stopped.discard(2)
        group.reaches = lambda sender, receiver, message: not isinstance(message, StatePieces)
        group.advance(3000)
        assert group.core(2).transfer is not None
    for message, attachments in hostile_messages(group, liar):
        group.say(liar, message, 2, attachments=attachments, run=False)
        assert group.core(2).view <= 2
    group.reaches = lambda sender, receiver, message: True
    group.stopped.clear()
    group.advance(3000)
    before = group.core(2).last_executed
    group.submit(group.request((), 0, 9))
    group.advance(3000)
    assert group.core(2).last_executed > before


def test_tables_stay_bounded_under_absurd_numbers() -> None:
    """B5: what one sender can make another keep does not grow with what it sends."""
    group = Group(4, MACS)
    group.open_session()
    core = group.core(2)
    for round_number in range(300):
        view = TOP - 1000 + round_number
        for number in range(1, 12):
            group.receive(2, group.authenticators[3].seal(Prepare(view, number, DIGEST, 3)))
        group.receive(2, group.authenticators[3].seal(Checkpoint(TOP // 4 * 4 - 4 * round_number, DIGEST, 3, 0)))
        group.receive(2, group.authenticators[3].seal(ViewChange(view, 0, claims(group), (), (), 3, 0)))
        entries = Decided((), 3)
        group.receive(2, group.authenticators[3].seal(entries, (), 2))
    assert core.view == 0
    assert len(core.log.slots) <= core.log.window
    assert sum(len(slot.early_prepares) for slot in core.log.slots.values()) <= core.log.window
    assert len(core.views.view_changes) == 1
    assert len(core.checkpoints.vouchers.signers) <= 4
    assert len(core.missing) == 0
    assert len(core.incidents) < 50


def test_incidents_are_counted_under_a_fixed_set_of_names() -> None:
    """The reason of a refusal names no number that a sender chooses."""
    group = Group(7, MACS)
    core = group.core(3)
    lonely = [ViewChange(1, 0, claims(group), (PreparedClaim(n, DIGEST, 0),), (), n, 0) for n in range(1, 6)]
    frames = tuple(group.authenticators[vc.replica].seal(vc) for vc in lonely)
    message = NewView(1, frames, claims(group)[0], (), 1, 0)
    group.receive(3, group.authenticators[1].seal(message))
    assert core.incidents
    assert not any(character.isdigit() for name in core.incidents for character in name)


def test_a_reply_that_cannot_be_sealed_is_not_sent() -> None:
    """A configured client's public key that is good for signatures but not for session keys stops no replica."""
    group = Group(4, MACS)

    for authenticator in group.authenticators:
        seal = authenticator.seal

        def unusable(message, attachments=(), receiver=None, seal=seal):  # type: ignore[no-untyped-def]
            if isinstance(message, Reply):
                raise AuthenticationFailed("not a usable public key")
            return seal(message, attachments, receiver)

        authenticator.seal = unusable  # type: ignore[method-assign]
    group.submit(group.request((), 0, 1))
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4
    assert group.replies == []


def test_the_sixty_fourth_replica_can_say_what_it_has() -> None:
    """The largest group: a STATUS with all bits set still decodes."""
    group = Group(64, MACS)
    core = group.core(3)
    message = ViewChange(1, 0, claims(group), (), (), 63, 0)
    core.views.view = 1
    core.views.view_changes[63] = (message, b"")
    from quorate.core.retransmission import own_status

    status = own_status(core)
    assert decode(encode(status)) == status


def request_of(client: int, session: int, timestamp: int = 1) -> Waiting:
    message = Request(bytes([client]) * 32, session, timestamp, (b"x",))
    payload = encode(message)
    return Waiting(message, request_digest(payload), payload)


def test_one_client_cannot_fill_the_queue() -> None:
    """C7: sessions that were never opened cost their client its own places only."""
    waiting = WaitingRequests(100, 8, 1 << 20)
    for session in range(1, 200):
        waiting.add(request_of(1, session))
    assert len(waiting) == 8
    assert waiting.add(request_of(2, 1))
    waiting.executed(request_of(1, 3).request)
    assert waiting.add(request_of(1, 300))
    assert not waiting.add(request_of(1, 301))


def test_a_client_of_a_configuration_can_be_any_key() -> None:
    """32 bytes that are no point of the curve: requests in that name are not authentic, nothing more."""
    configuration = configuration_of(4)
    odd = ClientEntry("odd", "02" + "00" * 31)
    configuration = msgspec.structs.replace(configuration, clients=(*configuration.clients, odd))
    from core.group import key_pair

    authenticator = ReplicaAuthenticator(0, key_pair(1), configuration)
    request = Request(bytes.fromhex(odd.public_key), 0, 1, ())
    for settings_mac in (b"", b"0" * 64):
        with pytest.raises(AuthenticationFailed):
            authenticator.open(encode_envelope(Envelope(encode(request), settings_mac)))


def test_opened_frames_keep_what_came() -> None:
    """The rules keep the bytes as received: nothing is encoded again for anybody else."""
    group = Group(4, MACS)
    frame = group.authenticators[2].seal(ViewChange(1, 0, claims(group), (), (), 2, 0))
    opened: Opened = group.authenticators[0].open(frame)
    group.replicas[0].receive(opened, group.now, group.wall)
    assert group.core(0).views.view_changes[2][1] == frame

"""The handshake: who proves what to whom, and every way to fail it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.net.handshake import (
    HELLO_BYTES,
    NONCE_BYTES,
    PROOF_BYTES,
    Handshake,
    HandshakeRefused,
    Identity,
    Refusal,
    Role,
    refusal_bytes,
)

CLIENT, STRANGER = 4, 5


def nonce(number: int) -> bytes:
    return bytes([number]) * NONCE_BYTES


def dialer(identity: Identity, expected: bytes | None = None, number: int = 1) -> Handshake:
    return Handshake(identity, Role.DIALER, nonce(number), expected)


def listener(identity: Identity, number: int = 2) -> Handshake:
    return Handshake(identity, Role.LISTENER, nonce(number))


def complete(one: Handshake, other: Handshake) -> tuple[bytes, bytes]:
    """Run a handshake; what each side sent."""
    first = one.feed(other.hello)
    second = other.feed(one.hello)
    assert one.feed(second) == b""
    assert other.feed(first) == b""
    return one.hello + first, other.hello + second


def refusal_of(handshake: Handshake, data: bytes) -> Refusal:
    with pytest.raises(HandshakeRefused) as refused:
        handshake.feed(data)
    return refused.value.refusal


def test_each_side_learns_who_the_other_is(members: Any) -> None:
    replica, client = listener(members.identity(2)), dialer(members.client, members.keys[2].public_key)

    complete(client, replica)

    assert replica.peer == (members.keys[CLIENT].public_key, None, "client alice")
    assert client.peer == (members.keys[2].public_key, 2, "replica 2")


@given(sizes=st.lists(st.integers(0, 60), max_size=30), rest=st.binary(max_size=100))
def test_any_chunking_will_do_and_what_comes_behind_is_kept(members: Any, sizes: list[int], rest: bytes) -> None:
    ours, theirs = dialer(members.client), listener(members.identity(0))
    stream = theirs.hello + theirs.feed(ours.hello) + rest
    kept, position = b"", 0
    for size in [*sizes, len(stream)]:
        chunk = stream[position : position + size]
        position += size
        if ours.peer is None:
            ours.feed(chunk)
            kept += ours.rest() if ours.peer is not None else b""
        else:
            kept += chunk

    assert ours.peer is not None
    assert ours.peer.replica_id == 0
    assert kept == rest


@given(data=st.binary(max_size=300))
def test_any_garbage_gives_one_clear_refusal_and_never_a_peer(members: Any, data: bytes) -> None:
    handshake = listener(members.identity(0))
    is_beginning = handshake.hello.startswith(data[:HELLO_BYTES]) and len(data) < HELLO_BYTES

    if is_beginning:
        assert handshake.feed(data) == b""
    else:
        assert refusal_of(handshake, data + bytes(HELLO_BYTES)).text
    assert handshake.peer is None


@given(data=st.binary(min_size=PROOF_BYTES, max_size=200))
def test_any_garbage_after_a_true_hello_is_refused(members: Any, data: bytes) -> None:
    handshake = listener(members.identity(0))
    handshake.feed(dialer(members.client).hello)

    refusal_of(handshake, data)

    assert handshake.peer is None


def test_garbage_is_refused_at_its_first_wrong_byte(members: Any) -> None:
    assert refusal_of(listener(members.identity(0)), b"GET / HTTP/1.1\r\n") is Refusal.NOT_QUORATE
    assert refusal_of(listener(members.identity(0)), b"quo?") is Refusal.NOT_QUORATE


def test_another_version_is_named(members: Any) -> None:
    hello = bytearray(dialer(members.client).hello)
    hello[7] = 9

    assert refusal_of(listener(members.identity(0)), bytes(hello[:8])) is Refusal.VERSION


def test_another_incarnation_is_refused_by_both_sides(members: Any, make_members: Any) -> None:
    later = make_members(incarnation="2" * 32)

    ours, theirs = dialer(members.client), listener(later.identity(0))

    assert refusal_of(ours, theirs.hello) is Refusal.CLUSTER
    assert refusal_of(theirs, ours.hello) is Refusal.CLUSTER
    assert "incarnation" in Refusal.CLUSTER.text


def test_a_key_that_is_not_in_the_configuration_is_refused(members: Any) -> None:
    stranger = dialer(members.identity(STRANGER))

    assert refusal_of(listener(members.identity(0)), stranger.hello) is Refusal.UNKNOWN_KEY


def test_a_member_other_than_the_expected_one_is_refused(members: Any) -> None:
    ours = dialer(members.client, expected=members.keys[0].public_key)

    assert refusal_of(ours, listener(members.identity(1)).hello) is Refusal.OTHER_KEY


def test_a_hello_that_is_reflected_is_refused(members: Any) -> None:
    ours = dialer(members.identity(1))

    assert refusal_of(ours, ours.hello) is Refusal.OWN_KEY


def test_our_proof_reflected_does_not_prove_another(members: Any) -> None:
    """Who knows only public keys claims one, and sends our own PROOF back."""
    victim = listener(members.identity(0))
    proof = victim.feed(dialer(members.client).hello)

    assert refusal_of(victim, proof) is Refusal.PROOF


def test_a_proof_made_in_the_other_role_does_not_pass(members: Any) -> None:
    """Two connections between the same members, one in each direction, with the same random bytes: worse than real."""
    one, other = members.identity(1), members.identity(0)
    as_dialer, as_listener = dialer(one, number=7), listener(one, number=7)
    assert as_dialer.hello == as_listener.hello
    dialed_proof = as_dialer.feed(listener(other, number=8).hello)

    victim = dialer(other, number=8)
    victim.feed(as_listener.hello)

    assert refusal_of(victim, dialed_proof) is Refusal.PROOF


def test_a_recorded_handshake_cannot_be_replayed(members: Any) -> None:
    recorded, _ = complete(dialer(members.client, number=1), listener(members.identity(0), number=2))

    assert refusal_of(listener(members.identity(0), number=3), recorded) is Refusal.PROOF


def test_a_recorded_handshake_cannot_be_replayed_to_another_replica(members: Any) -> None:
    recorded, _ = complete(dialer(members.client, number=1), listener(members.identity(0), number=2))

    assert refusal_of(listener(members.identity(1), number=2), recorded) is Refusal.PROOF


@pytest.mark.parametrize("at", [0, 8, 40, 72, HELLO_BYTES - 1])
def test_a_hello_changed_on_the_way_is_noticed(members: Any, at: int) -> None:
    ours, theirs = dialer(members.client), listener(members.identity(0))
    changed = bytearray(ours.hello)
    changed[at] ^= 1
    proof = ours.feed(theirs.hello)

    with pytest.raises(HandshakeRefused):
        theirs.feed(bytes(changed) + proof)
    assert theirs.peer is None


@pytest.mark.parametrize("refusal", Refusal)
def test_the_other_sides_refusal_is_told_as_such(members: Any, refusal: Refusal) -> None:
    ours = dialer(members.client)
    ours.feed(listener(members.identity(0)).hello)

    with pytest.raises(HandshakeRefused, match=re.escape(f"refused by the other side ({refusal.text})")):
        ours.feed(refusal_bytes(refusal))


def test_an_unknown_refusal_is_still_a_refusal(members: Any) -> None:
    ours = dialer(members.client)
    ours.feed(listener(members.identity(0)).hello)

    with pytest.raises(HandshakeRefused):
        ours.feed(b"R\xff")


def test_random_bytes_of_the_wrong_length_are_a_mistake_of_the_caller(members: Any) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Handshake(members.client, Role.DIALER, b"short")


def test_an_identity_shows_nothing_secret(members: Any) -> None:
    shown = repr(members.client)

    assert members.keys[CLIENT].public_key.hex()[:8] in shown
    assert len(shown) < 30


def test_who_is_a_client_may_change_from_link_to_link(members: Any) -> None:
    """A replica asks its access table: one that was let in has a name there, one that was revoked has none."""
    names = {members.keys[STRANGER].public_key: "newcomer"}
    replica = Identity(members.keys[0], members.configuration, names.get)

    at_replica, at_newcomer = listener(replica), dialer(members.identity(STRANGER))
    complete(at_newcomer, at_replica)
    assert at_replica.peer == (members.keys[STRANGER].public_key, None, "client newcomer")
    assert refusal_of(listener(replica), dialer(members.client).hello) is Refusal.UNKNOWN_KEY
    at_other_replica = dialer(members.identity(1))
    complete(at_other_replica, at_replica := listener(replica))
    assert at_replica.peer == (members.keys[1].public_key, 1, "replica 1")


def test_a_key_that_nobody_can_agree_with_is_nobodys(members: Any) -> None:
    """An administrator may let in any 32 bytes."""
    odd = bytes(32)
    at_replica = listener(Identity(members.keys[0], members.configuration, {odd: "odd"}.get))
    hello = dialer(members.client).hello.replace(members.client.public_key, odd)

    assert refusal_of(at_replica, hello) is Refusal.UNKNOWN_KEY


def test_a_client_that_is_revoked_during_its_handshake_gets_no_link(members: Any) -> None:
    names = {members.keys[STRANGER].public_key: "newcomer"}
    at_replica = listener(Identity(members.keys[0], members.configuration, names.get))
    at_newcomer = dialer(members.identity(STRANGER))
    proof = at_newcomer.feed(at_replica.hello)
    at_replica.feed(at_newcomer.hello)
    names.clear()

    assert refusal_of(at_replica, proof) is Refusal.UNKNOWN_KEY
    assert at_replica.peer is None

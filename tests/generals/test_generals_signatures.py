"""Chains of Ed25519 signatures: what A4 promises, byte by byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import ATTACK, RETREAT, GeneralsError
from quorate.generals.signatures import Keyring, SignedOrder, Verifier, public_key

EVERYBODY = Keyring(0, frozenset(range(5)))


def chain(order: str, *signers: int) -> SignedOrder:
    signed_order = SignedOrder(order)
    for signer in signers:
        signed_order = EVERYBODY.sign(signed_order, signer)
    return signed_order


@pytest.mark.parametrize("signers", [(0,), (0, 1), (0, 3, 1, 2)])
def test_a_genuine_chain(signers: tuple[int, ...]) -> None:
    assert Verifier(0, 5).is_genuine(chain(ATTACK, *signers))


@settings(deadline=None)
@given(link=st.integers(0, 2), byte=st.integers(0, 63), flip=st.integers(1, 255))
def test_any_byte_of_any_signature_counts(link: int, byte: int, flip: int) -> None:
    genuine = chain(ATTACK, 0, 2, 1)
    signatures = [bytearray(signature) for signature in genuine.signatures]
    signatures[link][byte] ^= flip

    assert not Verifier(0, 5).is_genuine(SignedOrder(ATTACK, genuine.signers, tuple(map(bytes, signatures))))


def test_what_was_signed_cannot_be_changed() -> None:
    genuine = chain(ATTACK, 0, 2, 1)
    one, two, three = genuine.signatures
    verifier = Verifier(0, 5)

    assert not verifier.is_genuine(SignedOrder(RETREAT, (0, 2, 1), (one, two, three))), "another order"
    assert not verifier.is_genuine(SignedOrder(ATTACK, (0, 3, 1), (one, two, three))), "another signer"
    assert not verifier.is_genuine(SignedOrder(ATTACK, (0, 1), (one, three))), "a signer left out"
    assert not verifier.is_genuine(SignedOrder(ATTACK, (0, 1, 2), (one, three, two))), "another sequence"
    assert not verifier.is_genuine(SignedOrder(ATTACK, (2, 1), (two, three))), "the beginning left out"
    assert verifier.is_genuine(SignedOrder(ATTACK, (0, 2), (one, two))), "the end left out: that was sent before"


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"x" * 65, b"\0" * 64])
def test_what_is_no_signature_is_not_genuine(signature: bytes) -> None:
    assert not Verifier(0, 5).is_genuine(SignedOrder(ATTACK, (0,), (signature,)))


@pytest.mark.parametrize("stranger", [-1, 5, 2**40])
def test_a_stranger_signs_nothing(stranger: int) -> None:
    assert not Verifier(0, 5).is_genuine(SignedOrder(ATTACK, (stranger,), (b"x" * 64,)))


def test_traitors_keys_sign_for_traitors_only() -> None:
    traitors = Keyring(0, frozenset({0, 2}))

    assert Verifier(0, 5).is_genuine(traitors.sign(traitors.sign(SignedOrder(ATTACK), 0), 2))
    with pytest.raises(GeneralsError, match="General 1 is loyal"):
        traitors.sign(SignedOrder(ATTACK), 1)
    forged = traitors.forge(SignedOrder(ATTACK), victim=1, forger=2)
    assert forged.signers == (1,)
    assert not Verifier(0, 5).is_genuine(forged)


def test_signatures_are_ed25519_over_the_order_and_the_chain_before() -> None:
    """Checked with the library alone: the second signature covers the order, the first link and the name."""
    genuine = chain(ATTACK, 0, 2)
    order = ATTACK.encode()
    signed = (
        b"quorate generals SM 1\0" + len(order).to_bytes(4, "big") + order
        + (0).to_bytes(4, "big") + genuine.signatures[0] + (2).to_bytes(4, "big")
    )  # fmt: skip

    assert genuine.prefix(1).to_sign(2) == signed
    assert public_key(0, 2).verify(signed, genuine.signatures[1]) == signed


def test_keys_follow_from_the_seed() -> None:
    elsewhere = Keyring(1, frozenset({0})).sign(SignedOrder(ATTACK), 0)

    assert not Verifier(0, 5).is_genuine(elsewhere)
    assert Verifier(1, 5).is_genuine(elsewhere)

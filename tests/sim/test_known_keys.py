"""What simulated members sign is remembered: the answer is the one that a check gives."""

from __future__ import annotations

from quorate.auth.keys import SIGNATURE_BYTES, KeyPair
from quorate.sim import known_keys
from quorate.sim.cluster import key_pair

SIGNER = key_pair("replica", 0)
OTHER = key_pair("replica", 1)


def test_what_was_signed_here_is_authentic() -> None:
    signature = SIGNER.sign(b"data")
    assert OTHER.verifier(SIGNER.public_key).verify(b"data", signature)
    assert signature == KeyPair(b"simulated replica 0".ljust(32)).sign(b"data")


def test_nothing_else_is() -> None:
    signature = SIGNER.sign(b"data")
    verifier = OTHER.verifier(SIGNER.public_key)
    assert not verifier.verify(b"other data", signature)
    assert not verifier.verify(b"data", bytes(SIGNATURE_BYTES))
    assert not verifier.verify(b"data", signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not verifier.verify(b"data", OTHER.sign(b"data"))
    assert not OTHER.verifier(OTHER.public_key).verify(b"data", signature)


def test_what_is_not_remembered_is_checked() -> None:
    signature = SIGNER.sign(b"data")
    for at in range(known_keys.SIGNATURES_MAX):
        SIGNER.sign(at.to_bytes(2, "big"))
        assert len(known_keys._signatures) <= known_keys.SIGNATURES_MAX
    assert (SIGNER.public_key, signature) not in known_keys._signatures
    assert OTHER.verifier(SIGNER.public_key).verify(b"data", signature)

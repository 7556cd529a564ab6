"""Key pairs and what is derived from them. One Ed25519 pair names a member; its X25519 form agrees session keys."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import nacl.exceptions
import nacl.signing
from nacl.bindings import (
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
)

from quorate.errors import AuthenticationFailed, ConfigurationError

SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


class KeyPair:
    """A member's private key. Never printed, never sent."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ConfigurationError(f"a private key has {SEED_BYTES} bytes, not {len(seed)}: restore it from its copy")
        self._signing_key = nacl.signing.SigningKey(seed)
        self.public_key: Final = bytes(self._signing_key.verify_key)
        self._exchange_key = crypto_sign_ed25519_sk_to_curve25519(seed + self.public_key)

    def __repr__(self) -> str:
        return f"KeyPair({self.public_key.hex()[:8]}…)"

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of *data*, 64 bytes; deterministic."""
        return self._signing_key.sign(data).signature

    def derive(self, purpose: bytes) -> bytes:
        """A secret of this member's own for one purpose; 32 bytes from which nobody gets back to the key."""
        return blake2b(purpose, key=bytes(self._signing_key), digest_size=32, person=b"quorate derived").digest()

    def agree(self, public_key: bytes) -> bytes:
        """The 32-byte secret shared with the holder of *public_key* (X25519)."""
        return _agree(self._exchange_key, exchange_form(public_key))

    def agree_half(self, half: bytes) -> bytes:
        """The 32-byte secret shared with whoever drew the public half *half*."""
        return _agree(self._exchange_key, half)

    def verifier(self, public_key: bytes) -> PublicKey:
        """What checks the signatures of another member."""
        return PublicKey(public_key)


class Half:
    """An X25519 secret for one period: what session keys follow from until the next one is drawn."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.public: Final = crypto_scalarmult_base(secret)

    def __repr__(self) -> str:
        return f"Half({self.public.hex()[:8]}…)"

    def agree(self, public_key: bytes) -> bytes:
        """The 32-byte secret shared with the holder of *public_key*."""
        return _agree(self._secret, exchange_form(public_key))

    def agree_half(self, half: bytes) -> bytes:
        """The 32-byte secret shared with whoever drew the public half *half*."""
        return _agree(self._secret, half)


def exchange_form(public_key: bytes) -> bytes:
    """The X25519 form of an Ed25519 public key."""
    try:
        return crypto_sign_ed25519_pk_to_curve25519(public_key)
    except (nacl.exceptions.CryptoError, RuntimeError) as error:
        raise _unusable(public_key, error) from None


def _agree(secret: bytes, public: bytes) -> bytes:
    try:
        return crypto_scalarmult(secret, public)
    except (nacl.exceptions.CryptoError, RuntimeError) as error:
        raise _unusable(public, error) from None


def _unusable(public: bytes, error: Exception) -> AuthenticationFailed:
    return AuthenticationFailed(f"{public.hex()[:8]}… is not a usable public key: {error}")


class PublicKey:
    """Verifies the signatures of one member."""

    def __init__(self, data: bytes) -> None:
        self._verify_key = nacl.signing.VerifyKey(data)

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether *signature* is that member's signature of *data*."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            self._verify_key.verify(data, signature)
        except nacl.exceptions.BadSignatureError:
            return False
        return True


def session_key(secret: bytes, domain: bytes, sender: bytes, receiver: bytes) -> bytes:
    """The MAC key for what *sender* sends to *receiver* (both public keys) in one cluster and incarnation."""
    return blake2b(domain + sender + receiver, key=secret, digest_size=32, person=b"quorate session").digest()

"""Key pairs of simulated members: what they agree on, and what they sign, is worked out once in a process."""

from __future__ import annotations

from typing import Final

from quorate.auth.keys import KeyPair, PublicKey

SIGNATURES_MAX: Final = 4096
"""Signatures remembered; beyond it all are forgotten."""

_signatures: Final[dict[tuple[bytes, bytes], bytes]] = {}
"""By the signer's public key and the signature: what was signed."""


class KnownKeyPair(KeyPair):
    """A key pair that keeps the secrets it agreed on: in the next world the same members agree on the same ones."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self._agreed: Final[dict[bytes, bytes]] = {}

    def agree(self, public_key: bytes) -> bytes:
        """The secret shared with the holder of *public_key*."""
        agreed = self._agreed.get(public_key)
        if agreed is None:
            agreed = self._agreed[public_key] = super().agree(public_key)
        return agreed

    def sign(self, data: bytes) -> bytes:
        """The signature of *data*, which needs no check where it is met unchanged."""
        signature = super().sign(data)
        if len(_signatures) >= SIGNATURES_MAX:
            _signatures.clear()
        _signatures[self.public_key, signature] = data
        return signature

    def verifier(self, public_key: bytes) -> PublicKey:
        """What checks another member's signatures."""
        return KnownPublicKey(public_key)


class KnownPublicKey(PublicKey):
    """Knows the signatures that were made in this process; checks all others."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._public_key: Final = data

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether *signature* is that member's signature of *data*."""
        return _signatures.get((self._public_key, signature)) == data or super().verify(data, signature)

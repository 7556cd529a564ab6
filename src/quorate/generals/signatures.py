"""Orders with a chain of Ed25519 signatures: v:0:j1:...:jk (L82 section 4, assumption A4).

Each signer signs the order together with the whole chain before him, signatures included, and his
own number. So nothing in a chain can be altered, left out or reordered without the keys of everybody
who signed after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from quorate.generals.errors import GeneralsError
from quorate.generals.orders import Order

_DOMAIN = b"quorate generals SM 1\0"


@dataclass(frozen=True)
class SignedOrder:
    """An order and who signed it, the commander first; `signatures` stand beside `signers`."""

    order: Order
    signers: tuple[int, ...] = ()
    signatures: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return ":".join((self.order, *map(str, self.signers)))

    @cached_property
    def encoded(self) -> bytes:
        """The order and the chain as bytes; different chains never share an encoding."""
        order = self.order.encode()
        links = (
            signer.to_bytes(4) + signature for signer, signature in zip(self.signers, self.signatures, strict=True)
        )
        return _DOMAIN + len(order).to_bytes(4) + order + b"".join(links)

    def to_sign(self, signer: int) -> bytes:
        """What `signer` puts his signature to when he adds himself to this chain."""
        return self.encoded + signer.to_bytes(4)

    def with_signature(self, signer: int, signature: bytes) -> "SignedOrder":
        return SignedOrder(self.order, (*self.signers, signer), (*self.signatures, signature))

    def prefix(self, length: int) -> "SignedOrder":
        """The order as it was when `length` generals had signed it."""
        return SignedOrder(self.order, self.signers[:length], self.signatures[:length])

    def prefixes(self) -> Iterator["SignedOrder"]:
        return (self.prefix(length) for length in range(1, len(self.signers) + 1))


class Keyring:
    """The signing keys that somebody holds: a loyal general his own, the traitors all of theirs.

    Keys are derived from the seed, which makes runs repeatable. They sign nothing but toy orders.
    """

    def __init__(self, seed: int, holders: frozenset[int]) -> None:
        self._seed = seed
        self.holders = holders
        self._keys: dict[int, SigningKey] = {}

    def sign(self, signed_order: SignedOrder, signer: int) -> SignedOrder:
        """Add the signature of `signer`; only for a general whose key is on this ring."""
        if signer not in self.holders:
            raise GeneralsError(f"General {signer} is loyal: nobody else can sign for him (assumption A4).")
        if signer not in self._keys:
            self._keys[signer] = _signing_key(self._seed, signer)
        signature = self._keys[signer].sign(signed_order.to_sign(signer)).signature
        return signed_order.with_signature(signer, signature)

    def forge(self, signed_order: SignedOrder, victim: int, forger: int) -> SignedOrder:
        """Put the victim's name under the order, with the only signature that the forger can make."""
        forged = self.sign(signed_order, forger).signatures[-1]
        return signed_order.with_signature(victim, forged)


class Verifier:
    """Checks whole chains. A prefix that was checked before costs one look-up: verification is pure."""

    def __init__(self, seed: int, n: int) -> None:
        self._seed = seed
        self._n = n
        self._keys: dict[int, VerifyKey] = {}
        self._known: dict[SignedOrder, bool] = {}

    def is_genuine(self, signed_order: SignedOrder) -> bool:
        """Every signature of the chain is that of the general whose number stands beside it."""
        return all(self._is_last_genuine(prefix) for prefix in signed_order.prefixes())

    def _is_last_genuine(self, signed_order: SignedOrder) -> bool:
        known = self._known.get(signed_order)
        if known is None:
            known = self._known[signed_order] = self._verify_last(signed_order)
        return known

    def _verify_last(self, signed_order: SignedOrder) -> bool:
        signer = signed_order.signers[-1]
        if not 0 <= signer < self._n:
            return False
        if signer not in self._keys:
            self._keys[signer] = public_key(self._seed, signer)
        message = signed_order.prefix(len(signed_order.signers) - 1).to_sign(signer)
        try:
            self._keys[signer].verify(message, signed_order.signatures[-1])
        except (BadSignatureError, ValueError):  # ValueError: not even the length of a signature
            return False
        return True


def public_key(seed: int, general: int) -> VerifyKey:
    """With this anybody can verify what the general signed (A4b)."""
    return _signing_key(seed, general).verify_key


@lru_cache(maxsize=4096)
def _signing_key(seed: int, general: int) -> SigningKey:
    return SigningKey(blake2b(f"quorate generals key {seed} {general}".encode(), digest_size=32).digest())

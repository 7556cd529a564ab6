"""SHA-256 digests of what is ordered. A digest says what kind of thing it is of, so none passes for another."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from quorate.messages.protocol import Batch

DIGEST_BYTES: Final = 32


def request_digest(payload: bytes) -> bytes:
    """The digest of a request: of its bytes, without their authentication."""
    return sha256(b"quorate request" + payload).digest()


def batch_digest(time: int, request_digests: list[bytes]) -> bytes:
    """The digest of a batch: the proposed time in microseconds and its requests' digests in order."""
    return sha256(b"quorate batch" + time.to_bytes(8, "big") + b"".join(request_digests)).digest()


def checkpoint_digest(service_digest: bytes, tables_digest: bytes) -> bytes:
    """What a CHECKPOINT vouches for: the service's state and the core's replicated tables."""
    return sha256(b"quorate checkpoint" + service_digest + tables_digest).digest()


NULL_BATCH: Final = Batch(time=0, requests=())
"""The null request: goes through all three phases, executes as nothing (OSDI'99 4.4)."""
NULL_DIGEST: Final = batch_digest(0, [])

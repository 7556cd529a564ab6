"""SHA-256 digests of what is ordered. A digest says what kind of thing it is of, so none passes for another."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from quorate.messages.protocol import Batch

DIGEST_BYTES: Final = 32
WHOLE_BYTES_MAX: Final = 256
"""Results of up to so many bytes are always sent whole: a digest in their place would save little."""


def request_digest(payload: bytes) -> bytes:
    """The digest of a request: of its bytes, without their authentication."""
    return sha256(b"quorate request" + payload).digest()


def batch_digest(time: int, request_digests: list[bytes]) -> bytes:
    """The digest of a batch: the proposed time in microseconds and its requests' digests in order."""
    return sha256(b"quorate batch" + time.to_bytes(8, "big") + b"".join(request_digests)).digest()


def checkpoint_digest(service_digest: bytes, tables_digest: bytes) -> bytes:
    """What a CHECKPOINT vouches for: the service's state and the core's replicated tables."""
    return sha256(b"quorate checkpoint" + service_digest + tables_digest).digest()


def reply_digest(outcome: int, results: tuple[bytes | None, ...]) -> bytes:
    """The digest of a reply: of its outcome and its results, which is what correct replicas say alike."""
    return sha256(b"quorate reply" + msgspec.msgpack.encode((outcome, results))).digest()


def are_large(results: tuple[bytes | None, ...]) -> bool:
    """Whether results may be sent as a digest (OSDI'99 5.1)."""
    return sum([len(result) for result in results if result is not None]) > WHOLE_BYTES_MAX


NULL_BATCH: Final = Batch(time=0, requests=())
"""The null request: goes through all three phases, executes as nothing (OSDI'99 4.4)."""
NULL_DIGEST: Final = batch_digest(0, [])

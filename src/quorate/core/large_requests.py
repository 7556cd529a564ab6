"""The large requests that wait, by the digests that stand for them beside a PRE-PREPARE (SEP-1, SEP-2)."""

from __future__ import annotations

from typing import NamedTuple

from quorate.messages.protocol import SEPARATE_BYTES, Request

SessionKey = tuple[bytes, int]


class Waiting(NamedTuple):
    """An authentic request that is not executed here yet."""

    request: Request
    digest: bytes
    frame: bytes


class LargeRequests:
    """Those that wait, and for each session at most one that waited before: its client may have an answer and go on
    while the PRE-PREPARE is still to come here. These are bounded, in bytes a client, as what waits is."""

    def __init__(self, bytes_per_client: int) -> None:
        self._bytes_per_client = bytes_per_client
        self._by_digest: dict[bytes, Waiting] = {}
        self._earlier: dict[SessionKey, Waiting] = {}
        self._bytes: dict[bytes, int] = {}
        """How many bytes of each client are among the earlier ones."""

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, digest: bytes) -> Waiting | None:
        """The large request with this digest."""
        return self._by_digest.get(digest)

    def add(self, waiting: Waiting) -> None:
        """A request waits from here on."""
        if len(waiting.frame) > SEPARATE_BYTES:
            self._by_digest[waiting.digest] = waiting

    def remove(self, key: SessionKey, waiting: Waiting) -> None:
        """The request of a session waits no longer; nor is an earlier one of use."""
        self._by_digest.pop(waiting.digest, None)
        self._drop(key)

    def keep(self, key: SessionKey, waiting: Waiting) -> None:
        """A later request has taken the place of this one, which was removed."""
        size = self._bytes.get(key[0], 0) + len(waiting.frame)
        if len(waiting.frame) > SEPARATE_BYTES and size <= self._bytes_per_client:
            self._earlier[key] = self._by_digest[waiting.digest] = waiting
            self._bytes[key[0]] = size

    def executed(self, key: SessionKey, timestamp: int) -> None:
        """The session has executed this timestamp."""
        earlier = self._earlier.get(key)
        if earlier is not None and earlier.request.timestamp <= timestamp:
            self._drop(key)

    def _drop(self, key: SessionKey) -> None:
        earlier = self._earlier.pop(key, None)
        if earlier is not None:
            self._by_digest.pop(earlier.digest, None)
            self._bytes[key[0]] -= len(earlier.frame)
            if not self._bytes[key[0]]:
                del self._bytes[key[0]]

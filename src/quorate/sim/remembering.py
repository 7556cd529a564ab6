"""Signatures in a simulated group: they say the same to everyone, so each is checked once."""

from __future__ import annotations

from typing import Final

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.core.ports import Opened
from quorate.messages.protocol import Message

SIGNED_MAX: Final = 4096
"""Signed frames remembered; beyond it all are forgotten."""


class Remembering:
    """A replica's authenticator that checks a signature once for the whole group: what the bytes and the sender's
    public key say is the same at every receiver. Bytes that differ anywhere, and all MACs, are checked by each."""

    def __init__(self, inner: ReplicaAuthenticator, known: dict[bytes, Opened]) -> None:
        self.replica_id: Final = inner.replica_id
        self._inner = inner
        self._known = known

    def seal(self, message: Message, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        """The frame of an own message."""
        return self._inner.seal(message, attachments, receiver)

    def is_signed_request(self, frame: bytes) -> bool:
        """Whether a request is signed."""
        return self._inner.is_signed_request(frame)

    def refresh(self, secret: bytes) -> bytes:
        """Make new session keys."""
        return self._inner.refresh(secret)

    def learn(self, replica: int, half: bytes) -> None:
        """Take another replica's new half."""
        self._inner.learn(replica, half)

    def open(self, frame: bytes) -> Opened:
        """Check a frame."""
        known = self._known.get(frame)
        if known is None:
            known = self._inner.open(frame)
            if self._inner.is_signed(known.message):
                if len(self._known) >= SIGNED_MAX:
                    self._known.clear()
                self._known[frame] = known
        return known

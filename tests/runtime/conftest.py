"""Links and clocks without sockets and time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class FakePeer:
    """Who a fake link leads to."""

    public_key: bytes
    replica_id: int | None
    name: str


@dataclass(eq=False)
class FakeLink:
    """Notes what was sent."""

    peer: FakePeer
    sent: list[bytes] = field(default_factory=list)
    is_full: bool = False
    closed: str | None = None

    def close(self, reason: str) -> None:
        """Note why."""
        self.closed = reason

    def send(self, frame: bytes) -> bool:
        """Note *frame*, unless the queue is full."""
        if not self.is_full:
            self.sent.append(frame)
        return not self.is_full


class LinkFactory:
    """Makes fake links."""

    def replica(self, replica_id: int) -> FakeLink:
        """A link to a replica."""
        return FakeLink(FakePeer(bytes([replica_id]) * 32, replica_id, f"replica-{replica_id}"))

    def client(self, public_key: bytes = b"c" * 32) -> FakeLink:
        """A link to a client."""
        return FakeLink(FakePeer(public_key, None, f"client-{public_key.hex()[:8]}"))


@pytest.fixture
def links() -> LinkFactory:
    """Makes fake links."""
    return LinkFactory()

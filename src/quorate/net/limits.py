"""What a connection may cost us, charged to it before any signature is checked (decisions; B20)."""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """How much a peer may send. What is above it waits in the peer's own socket."""

    bytes_per_second: float
    frames_per_second: float
    burst_seconds: float = 1.0
    """How far a peer may run ahead: what it did not use in that time."""


class LinkLimits(NamedTuple):
    """The limits of the links of one listener or dialer."""

    replica_rate: Rate = Rate(1 << 30, 1_000_000)
    client_rate: Rate = Rate(128 << 20, 100_000)
    queue_bytes_max: int = 32 << 20
    """Bytes that wait for a slow peer; one frame may always wait. Beyond it the newest is dropped."""
    handshake_seconds: float = 5.0
    """How long a connection, and then the other side's HELLO and PROOF, may take."""
    handshakes_max: int = 256
    """Connections at once that have not proved who they are; beyond it the oldest is closed."""
    links_per_client_max: int = 64
    """Links of one client: processes that share its key. A replica has one. Beyond it the oldest is closed."""


class Meter:
    """A token bucket over bytes and frames, whichever is scarcer (the generic cell rate algorithm: one number)."""

    def __init__(self, rate: Rate) -> None:
        self._seconds_per_byte = 1 / rate.bytes_per_second
        self._seconds_per_frame = 1 / rate.frames_per_second
        self._burst_seconds = rate.burst_seconds
        self._paid_until = 0.0
        """The time by which what came in so far is within the rate."""

    def charge(self, size: int, frames: int, now: float) -> float:
        """Take in that much at *now*; how many seconds to stop reading, zero or less: none."""
        cost = max(size * self._seconds_per_byte, frames * self._seconds_per_frame)
        self._paid_until = max(self._paid_until, now - self._burst_seconds) + cost
        return self._paid_until - now

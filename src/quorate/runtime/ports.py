"""What the runtime asks of its adapters. `storage` and `net` satisfy these protocols by their shape."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from quorate.messages.records import Record


class Journal(Protocol):
    """Keeps a replica's votes. Calls come from one thread."""

    def append(self, records: Sequence[Record]) -> None:
        """Apply *records* in order: one that has the key of an older one replaces it, a `Forget` drops.

        When this returns, they are as durable as the cluster's `durability` setting promises: what depends on them
        may leave. An error here stops the replica."""

    def records(self) -> Iterable[Record]:
        """What was appended and neither replaced nor dropped, in an order in which it can be applied again."""


class Peer(Protocol):
    """Who is at the other end of a link, as the handshake proved it."""

    @property
    def public_key(self) -> bytes:
        """The key that it holds."""

    @property
    def replica_id(self) -> int | None:
        """Which replica it is; None for a client."""

    @property
    def name(self) -> str:
        """What to call it in logs and reports."""


class Link(Protocol):
    """An open connection to one peer."""

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""

    def send(self, frame: bytes) -> bool:
        """Queue *frame*. False when it was dropped because the queue is full; the protocol repeats what matters."""

    def close(self, reason: str) -> None:
        """Write what is queued, then close."""


class Clock(Protocol):
    """The time, in microseconds."""

    def now(self) -> int:
        """Monotonic: for deadlines."""

    def wall(self) -> int:
        """Since 1970: what a primary proposes as the agreed time."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Monotonic: for deadlines."""
        return time.monotonic_ns() // 1000

    def wall(self) -> int:
        """Since 1970."""
        return time.time_ns() // 1000


STANDSTILL: Final = 500_000
"""Microseconds. A process that wakes so much later than it wanted to did not run meanwhile."""


class AwakeClock:
    """The machine's clocks without the time in which the process stood still (SIGSTOP, a suspended machine, swapping).

    Its inbox filled up meanwhile, and nobody else was slow: a replica that counted this time would leave its view.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stood_still = 0

    def now(self) -> int:
        """Monotonic: for deadlines."""
        return self._clock.now() - self._stood_still

    def wall(self) -> int:
        """Since 1970: nothing is left out."""
        return self._clock.wall()

    def woke(self, deadline: int | None) -> None:
        """The process runs, and wanted to by *deadline* at the latest."""
        late = 0 if deadline is None else self.now() - deadline
        if late > STANDSTILL:
            self._stood_still += late

"""The one timer of a replica, or of a client, in an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

MICROSECONDS: Final = 1_000_000
"""In a second."""
_TICK_SECONDS: Final = 0.001
"""What the event loop's timers can tell apart: waking earlier than a deadline would only mean waking twice."""


def microseconds_now() -> int:
    """By the monotonic clock."""
    return time.monotonic_ns() // 1000


class Alarm:
    """One timer of the event loop. It is armed anew only when it has to ring earlier: ringing too early is harmless."""

    def __init__(self, ring: Callable[[], None], now: Callable[[], int] = microseconds_now) -> None:
        self._ring = ring
        self._now = now
        self._deadline: int | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: int | None) -> None:
        """Ring at *deadline*, in microseconds of `now`, at the latest; None changes nothing."""
        if deadline is None or (self._deadline is not None and self._deadline <= deadline):
            return
        self.stop()
        delay = max(0, deadline - self._now()) / MICROSECONDS
        self._deadline = deadline
        self._handle = asyncio.get_running_loop().call_later(delay + _TICK_SECONDS, self._expire)

    def stop(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._deadline = None

    def _expire(self) -> None:
        self._handle = self._deadline = None
        self._ring()

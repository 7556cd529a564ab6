"""A client's clock and timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

MICROSECONDS: Final = 1_000_000
"""In a second."""
_TICK_SECONDS: Final = 0.001
"""What the event loop's timers can tell apart."""


class Alarm:
    """One timer. It is armed anew only when it has to ring earlier: ringing too early is harmless."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._deadline: int | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: int) -> None:
        """Ring at *deadline* at the latest."""
        if self._deadline is None or deadline < self._deadline:
            self.stop()
            self._deadline = deadline
            delay = max(0, deadline - microseconds_now()) / MICROSECONDS
            self._handle = self._loop.call_later(delay + _TICK_SECONDS, self._expire)

    def stop(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._deadline = None

    def _expire(self) -> None:
        self._handle = self._deadline = None
        self._ring()


def microseconds_now() -> int:
    """By the monotonic clock."""
    return time.monotonic_ns() // 1000

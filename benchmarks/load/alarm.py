"""A timer for event loops that is more precise than theirs, which round up to whole milliseconds: Linux's timerfd."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress

_MONOTONIC = time.CLOCK_MONOTONIC
_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000
_libc = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """Calls back at moments of `time.perf_counter`, which on Linux is the monotonic clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._descriptor = _libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._loop = loop
        self._ring = ring
        loop.add_reader(self._descriptor, self._expired)

    def set(self, moment: float) -> None:
        """Ring then, and at no other moment that was set before; at once if it is past."""
        seconds, rest = divmod(max(1, int(moment * _NANOSECONDS)), _NANOSECONDS)
        specification = struct.pack("@llll", 0, 0, seconds, rest)
        if _libc.timerfd_settime(self._descriptor, _ABSOLUTE, specification, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def _expired(self) -> None:
        with suppress(BlockingIOError):  # it was set anew meanwhile
            os.read(self._descriptor, 8)
            self._ring()

    def close(self) -> None:
        """Ring no more."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

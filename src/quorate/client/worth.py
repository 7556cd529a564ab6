"""Whether it is worth asking for what only reads, or better to have it ordered at once. Pure."""

from __future__ import annotations

from typing import Final

PAUSE_MAX: Final = 1_000_000
"""Microseconds after which it is tried again, however often it has failed."""


class Worth:
    """A READ that fails is time lost. Who asks for keys that expire, or for what others write without a pause, has it
    ordered for as long as the READ took; after each further one that fails twice as long, until one succeeds. Those
    that were under way already say nothing new: several that fail together count once.

    Times are monotonic microseconds.
    """

    def __init__(self) -> None:
        self._pause = 0
        self._until = 0
        self._failed_at = 0

    def is_given(self, now: int) -> bool:
        """Whether to ask."""
        return now >= self._until

    def note(self, asked: int, ordered: int, sent: int, now: int) -> None:
        """Of so many operations of a READ that was sent at *sent*, so many have to be ordered."""
        if 2 * ordered <= asked:
            self._pause = self._until = 0
        elif sent >= self._failed_at:
            self._pause = min(max(2 * self._pause, now - sent), PAUSE_MAX)
            self._until, self._failed_at = now + self._pause, now

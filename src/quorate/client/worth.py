"""Whether it is worth asking for what only reads, or better to have it ordered at once. Pure."""

from __future__ import annotations

from typing import Final

PASSED_OVER_MAX: Final = 1024


class Worth:
    """A READ whose answers disagree is time lost. Who asks for keys that expire, or for what others write without a
    pause, is asked to have it ordered for a while: twice as long after each READ that fails, until one succeeds."""

    def __init__(self) -> None:
        self._pause = 0
        self._left = 0
        """Operations to be ordered before the next is asked for."""

    def is_given(self) -> bool:
        """Whether to ask for the next operation."""
        if not self._left:
            return True
        self._left -= 1
        return False

    def note(self, asked: int, ordered: int) -> None:
        """Of so many operations of a READ, so many had to be ordered."""
        self._pause = min(max(2 * self._pause, asked), PASSED_OVER_MAX) if 2 * ordered > asked else 0
        self._left = self._pause

"""Choices made of bytes: whatever finds the bytes, chance or a fuzzer that watches coverage, steers what is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")


class Source:
    """Bytes that are used up by choices; when there are none left every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_empty(self) -> bool:
        """Whether all bytes were used."""
        return self._position >= len(self._data)

    def take(self, size: int) -> bytes:
        """The next bytes, up to *size*."""
        start = self._position
        self._position += size
        return self._data[start : start + size]

    def below(self, limit: int) -> int:
        """A number from 0 up to, not including, *limit*."""
        return int.from_bytes(self.take(1 if limit <= 256 else 8), "big") % limit

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def piece(self, size_max: int = 32) -> bytes:
        """Some bytes, their number before them."""
        return self.take(self.below(size_max + 1))

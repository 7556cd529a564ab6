"""Random choices that every replica makes alike."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import count


class Choices:
    """A stream of numbers that follows from the agreed seed and the number of the operation, and nothing else."""

    __slots__ = ("_numbers",)

    def __init__(self, seed: bytes, operation: int) -> None:
        self._numbers = self._stream(seed + b"%d" % operation)

    def below(self, bound: int) -> int:
        """A number from 0 to below *bound*; its bias of bound / 2**64 is beyond notice."""
        return next(self._numbers) % bound

    def sample(self, size: int, count: int) -> list[int]:
        """*count* different numbers below *size*, in random order."""
        moved: dict[int, int] = {}
        chosen = []
        for place in range(count):
            # A Fisher-Yates shuffle that stores only the places that it has touched.
            other = place + self.below(size - place)
            chosen.append(moved.get(other, other))
            moved[other] = moved.get(place, place)
        return chosen

    @staticmethod
    def _stream(start: bytes) -> Iterator[int]:
        for block in count():
            digest = sha256(b"%b:%d" % (start, block)).digest()
            for offset in range(0, len(digest), 8):
                yield int.from_bytes(digest[offset : offset + 8])

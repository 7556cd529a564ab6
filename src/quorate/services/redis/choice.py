"""Random choices that every replica makes alike."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import count as count_from

from quorate.services.redis.errors import CommandError
from quorate.services.redis.limits import MOST_RANDOM_ELEMENTS


class Choices:
    """A stream of numbers that follows from the agreed seed and the number of the operation, and nothing else."""

    __slots__ = ("_numbers",)

    def __init__(self, seed: bytes, operation: int) -> None:
        self._numbers = self._stream(seed + b"%d" % operation)

    def below(self, bound: int) -> int:
        """A number from 0 to below *bound*; its bias of bound / 2**64 is beyond notice."""
        return next(self._numbers) % bound

    def places(self, size: int, count: int) -> list[int]:
        """Places below *size*, as the count of SRANDMEMBER and its like asks for them.

        A count that is not negative gives so many different ones, as far as there are; -n gives n that may repeat.
        """
        if count < -MOST_RANDOM_ELEMENTS:
            raise CommandError(f"ERR value is out of range, this service repeats up to {MOST_RANDOM_ELEMENTS} elements")
        if count < 0:
            return [self.below(size) for _ in range(-count)]
        return list(range(size)) if count >= size else self._different(size, count)

    def _different(self, size: int, count: int) -> list[int]:
        # A Fisher-Yates shuffle that stores only the places that it has touched.
        moved: dict[int, int] = {}
        chosen = []
        for place in range(count):
            other = place + self.below(size - place)
            chosen.append(moved.get(other, other))
            moved[other] = moved.get(place, place)
        return chosen

    @staticmethod
    def _stream(start: bytes) -> Iterator[int]:
        for block in count_from():
            digest = sha256(b"%b:%d" % (start, block)).digest()
            for offset in range(0, len(digest), 8):
                yield int.from_bytes(digest[offset : offset + 8])

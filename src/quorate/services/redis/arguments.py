"""Arguments of commands: what they may be, and Redis's errors when they are something else."""

from __future__ import annotations

from quorate.services.redis.errors import (
    MUST_BE_POSITIVE,
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    OUT_OF_RANGE,
    CommandError,
)
from quorate.services.redis.numbers import INTEGER_MAX, parse_double, parse_integer


def integer_argument(text: bytes, error: str = NOT_AN_INTEGER) -> int:
    """A 64-bit integer."""
    number = parse_integer(text)
    if number is None:
        raise CommandError(error)
    return number


def positive_argument(text: bytes, error: str = MUST_BE_POSITIVE) -> int:
    """An integer that is not negative: what Redis calls positive."""
    number = parse_integer(text)
    if number is None:
        raise CommandError(MUST_BE_POSITIVE if error == MUST_BE_POSITIVE else error)
    if number < 0:
        raise CommandError(error)
    return number


def random_count_argument(text: bytes) -> int:
    """The count of a command that picks at random; negative ones ask for repetitions."""
    number = integer_argument(text)
    if not -(INTEGER_MAX // 2) <= number <= INTEGER_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    return number


def float_argument(text: bytes, error: str = NOT_A_FLOAT) -> float:
    """A double that is not not-a-number."""
    number = parse_double(text)
    if number is None:
        raise CommandError(error)
    return number


def slice_of(start: int, stop: int, length: int) -> tuple[int, int]:
    """Redis's inclusive range, in which negative places count from the end, as Python's start and stop."""
    if start < 0:
        start = max(start + length, 0)
    if stop < 0:
        stop += length
    stop = min(stop, length - 1)
    return (start, stop + 1) if start <= stop else (0, 0)

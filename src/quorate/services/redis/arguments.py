"""Arguments of commands: what they may be, and Redis's errors when they are something else."""

from __future__ import annotations

from quorate.services.redis.errors import (
    MUST_BE_POSITIVE,
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    OUT_OF_RANGE,
    SYNTAX,
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
    if number is None or number < 0:
        raise CommandError(error)
    return number


def range_argument(text: bytes, lowest: int, highest: int) -> int:
    """An integer within bounds."""
    number = integer_argument(text)
    if not lowest <= number <= highest:
        raise CommandError(f"{OUT_OF_RANGE}, value must between {lowest} and {highest}")
    return number


def random_count_argument(text: bytes, options: list[bytes], pairs_option: bytes) -> tuple[int, bool]:
    """The count of HRANDFIELD or ZRANDMEMBER, and whether the one option that may follow asks for pairs."""
    count = range_argument(text, -INTEGER_MAX, INTEGER_MAX)
    if len(options) > 1 or (options and options[0].upper() != pairs_option):
        raise CommandError(SYNTAX)
    if options and not -INTEGER_MAX // 2 < count <= INTEGER_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    return count, bool(options)


def float_argument(text: bytes, error: str = NOT_A_FLOAT) -> float:
    """A double that is not not-a-number."""
    number = parse_double(text)
    if number is None:
        raise CommandError(error)
    return number


def substring_of(start: int, end: int, length: int) -> tuple[int, int]:
    """Redis's inclusive range of a string, as Python's start and stop.

    Unlike with `slice_of`, an end before the beginning is the beginning; two such in the wrong order are nothing.
    """
    if start < 0 and end < 0 and start > end:
        return 0, 0
    start, end = (max(place + length, 0) if place < 0 else place for place in (start, end))
    return start, max(start, min(end + 1, length))


def slice_of(start: int, stop: int, length: int) -> tuple[int, int]:
    """Redis's inclusive range, in which negative places count from the end, as Python's start and stop."""
    if start < 0:
        start = max(start + length, 0)
    if stop < 0:
        stop += length
    stop = min(stop, length - 1)
    return (start, stop + 1) if start <= stop else (0, 0)

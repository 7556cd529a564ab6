"""RESP replies as bytes, in the two versions of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf

from quorate.services.redis.errors import REPLY_TOO_LARGE, CommandError
from quorate.services.redis.limits import LARGEST_REPLY

OK = b"+OK\r\n"
EMPTY_ARRAY = b"*0\r\n"
_BYTES_AROUND_A_BULK = 16
_SMALL = [b":%d\r\n" % number for number in range(1024)]
ZERO, ONE = _SMALL[:2]


def integer(number: int) -> bytes:
    """An integer reply."""
    return _SMALL[number] if 0 <= number < 1024 else b":%d\r\n" % number


def bulk(value: bytes) -> bytes:
    """A bulk string."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def concatenated_bulks(values: Sequence[bytes]) -> bytes:
    """Bulk strings one after the other, refused before they are built when they would be too many bytes."""
    if sum(map(len, values)) + _BYTES_AROUND_A_BULK * len(values) > LARGEST_REPLY:
        raise CommandError(REPLY_TOO_LARGE)
    return b"".join([b"$%d\r\n%b\r\n" % (len(value), value) for value in values])


def bulks(values: Sequence[bytes]) -> bytes:
    """An array of bulk strings."""
    return b"*%d\r\n" % len(values) + concatenated_bulks(values)


def array(replies: Iterable[bytes]) -> bytes:
    """An array of finished replies."""
    items = list(replies)
    if sum(map(len, items)) > LARGEST_REPLY:
        raise CommandError(REPLY_TOO_LARGE)
    return b"*%d\r\n" % len(items) + b"".join(items)


def integers(numbers: Iterable[int]) -> bytes:
    """An array of integers."""
    return array(map(integer, numbers))


def double_text(value: float) -> bytes:
    """A double as redis-server 7.0 writes it: 17 significant digits, `inf` and `-inf`."""
    if isinf(value):
        return b"inf" if value > 0 else b"-inf"
    return b"%.17g" % value


class Dialect:
    """What differs between RESP2 and RESP3. This is RESP2."""

    version = 2
    null = b"$-1\r\n"
    null_array = b"*-1\r\n"

    def double(self, value: float) -> bytes:
        """A floating point number."""
        return bulk(double_text(value))

    def set(self, values: Sequence[bytes]) -> bytes:
        """Bulk strings that are a set."""
        return bulks(values)

    def map(self, fields: Sequence[bytes]) -> bytes:
        """Bulk strings, each key followed by its value."""
        return bulks(fields)

    def map_of_replies(self, replies: Sequence[bytes]) -> bytes:
        """Finished replies, each key followed by its value."""
        return array(replies)

    def pairs(self, values: Sequence[bytes]) -> bytes:
        """Bulk strings that belong together two by two."""
        return bulks(values)

    def scored(self, members: Sequence[tuple[float, bytes]]) -> bytes:
        """Members of a sorted set with their scores."""
        return bulks([part for score, member in members for part in (member, double_text(score))])

    def text(self, value: bytes) -> bytes:
        """A text for people."""
        return bulk(value)


class _Resp3(Dialect):
    version = 3
    null = b"_\r\n"
    null_array = b"_\r\n"

    def double(self, value: float) -> bytes:
        return b",%b\r\n" % double_text(value)

    def set(self, values: Sequence[bytes]) -> bytes:
        return b"~%d\r\n" % len(values) + concatenated_bulks(values)

    def map(self, fields: Sequence[bytes]) -> bytes:
        return b"%%%d\r\n" % (len(fields) // 2) + concatenated_bulks(fields)

    def map_of_replies(self, replies: Sequence[bytes]) -> bytes:
        return b"%%%d\r\n" % (len(replies) // 2) + array(replies).partition(b"\r\n")[2]

    def pairs(self, values: Sequence[bytes]) -> bytes:
        return array(bulks(values[start : start + 2]) for start in range(0, len(values), 2))

    def scored(self, members: Sequence[tuple[float, bytes]]) -> bytes:
        return array(b"*2\r\n" + bulk(member) + self.double(score) for score, member in members)

    def text(self, value: bytes) -> bytes:
        return b"=%d\r\ntxt:%b\r\n" % (len(value) + 4, value)


RESP2 = Dialect()
RESP3 = _Resp3()

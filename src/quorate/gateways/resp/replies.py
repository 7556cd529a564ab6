"""The replies that the gateway itself gives, in the form of RESP2 or RESP3, and where one reply ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

OK: Final = b"+OK\r\n"
QUEUED: Final = b"+QUEUED\r\n"
RESET: Final = b"+RESET\r\n"

_NESTED: Final = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2}
"""How many replies follow for each that an aggregate announces."""
_SIZED: Final = frozenset(b"$=!")


def error(text: bytes) -> bytes:
    """An error; *text* begins with its code (`ERR`, `EXECABORT`...). Like Redis, line ends become spaces."""
    return b"-%b\r\n" % text.strip(b"\r\n").replace(b"\r", b" ").replace(b"\n", b" ")


def integer(value: int) -> bytes:
    """An integer."""
    return b":%d\r\n" % value


def bulk(value: bytes) -> bytes:
    """A string of any bytes."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def verbatim(value: bytes, protocol: int) -> bytes:
    """Text for people: of its own type in RESP3, a string in RESP2."""
    return b"=%d\r\ntxt:%b\r\n" % (len(value) + 4, value) if protocol == 3 else bulk(value)


def null(protocol: int) -> bytes:
    """No value."""
    return b"_\r\n" if protocol == 3 else b"$-1\r\n"


def array_header(count: int) -> bytes:
    """What stands before the *count* replies of an array."""
    return b"*%d\r\n" % count


def array(items: Sequence[bytes]) -> bytes:
    """An array of encoded replies."""
    return array_header(len(items)) + b"".join(items)


def strings(items: Iterable[bytes], protocol: int) -> bytes:
    """A set of strings: an array in RESP2."""
    encoded = [bulk(item) for item in items]
    return b"%b%d\r\n" % (b"~" if protocol == 3 else b"*", len(encoded)) + b"".join(encoded)


def mapping(items: Mapping[bytes, bytes], protocol: int) -> bytes:
    """A map from names to encoded replies: a flat array in RESP2."""
    header = b"%%%d\r\n" % len(items) if protocol == 3 else b"*%d\r\n" % (2 * len(items))
    return header + b"".join(bulk(name) + value for name, value in items.items())


def split_array(reply: bytes) -> list[bytes] | None:
    """The encoded elements of one array reply; None when it is a null, or no array at all."""
    header_end = reply.index(b"\r\n") + 2
    if reply[0] != ord("*") or reply.startswith(b"*-"):
        return None
    elements = []
    start = header_end
    for _ in range(int(reply[1 : header_end - 2])):
        end = end_of_reply(reply, start)
        elements.append(reply[start:end])
        start = end
    return elements


def end_of_reply(replies: bytes, position: int) -> int:
    """Where the reply that begins at *position* ends. The replies come from the service and are whole."""
    missing = 1
    while missing:
        kind = replies[position]
        line_end = replies.index(b"\r\n", position)
        count = 0
        if kind in _NESTED or kind in _SIZED:
            count = max(int(replies[position + 1 : line_end]), -1)
        position = line_end + 2
        if kind in _SIZED and count >= 0:
            position += count + 2
        missing += max(count, 0) * _NESTED.get(kind, 0) - 1
    return position

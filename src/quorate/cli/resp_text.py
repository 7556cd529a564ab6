"""Redis replies as text, the way that redis-cli shows them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quorate.errors import RequestFailed

_END: Final = b"\r\n"
_TYPES: Final = b"+-:,(#_$!=*~%>"


class _Replies:
    """Reads RESP2 and RESP3, one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def line(self) -> tuple[bytes, bytes]:
        """The type of the next value, and what follows it on its line."""
        end = self._data.find(_END, self._at)
        if end <= self._at or self._data[self._at] not in _TYPES:
            raise RequestFailed(f"the service's result is not a Redis reply: {self._data[:40]!r}")
        line = self._data[self._at : end]
        self._at = end + len(_END)
        return line[:1], line[1:]

    def bytes(self, size: int) -> bytes:
        """A value that came with its length."""
        value = self._data[self._at : self._at + size]
        self._at += size + len(_END)
        return value


def _plain(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _quoted(data: bytes) -> str:
    """In double quotes, with what is not printable ASCII escaped."""
    escapes = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b"}
    return (
        '"' + "".join(escapes.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data) + '"'
    )


_SCALARS: Final[dict[bytes, Callable[[bytes], str]]] = {
    b"+": _plain,
    b"-": lambda text: f"(error) {_plain(text)}",
    b":": lambda text: f"(integer) {_plain(text)}",
    b",": lambda text: f"(double) {_plain(text)}",
    b"(": lambda text: f"(big number) {_plain(text)}",
    b"#": lambda text: "(true)" if text == b"t" else "(false)",
    b"_": lambda text: "(nil)",
}
"""Values that stand on their line."""
_VERBATIM_TYPE_BYTES: Final = 4
_BULKS: Final[dict[bytes, Callable[[bytes], str]]] = {
    b"$": _quoted,
    b"!": lambda data: f"(error) {_plain(data)}",
    b"=": lambda data: _plain(data[_VERBATIM_TYPE_BYTES:]),
}
"""Values that follow their length."""
_SEPARATORS: Final = {b"*": ")", b"~": "~", b"%": "#", b">": ")"}


def format_replies(data: bytes) -> str:
    """All replies in *data*, quoted and numbered for people."""
    replies = _Replies(data)
    shown = []
    while replies:
        shown.append(_format(replies, ""))
    return "\n".join(shown)


def raw_replies(data: bytes) -> bytes:
    """The bare values in *data*, a line each, for programs; binary values as they are."""
    replies = _Replies(data)
    values: list[bytes] = []
    while replies:
        _flatten(replies, values)
    return b"\n".join(values)


def is_error(data: bytes) -> bool:
    """Whether the reply is an error."""
    return data[:1] in (b"-", b"!")


def _format(replies: _Replies, indentation: str) -> str:
    kind, text = replies.line()
    if kind in _SCALARS:
        return _SCALARS[kind](text)
    size = int(text)
    if size < 0:
        return "(nil)"
    if kind in _BULKS:
        return _BULKS[kind](replies.bytes(size))
    return _format_items(replies, kind, size, indentation)


def _format_items(replies: _Replies, kind: bytes, size: int, indentation: str) -> str:
    if size == 0:
        return {b"~": "(empty set)", b"%": "(empty hash)"}.get(kind, "(empty array)")
    width = len(str(size))
    lines = []
    for number in range(1, size + 1):
        head = f"{number:>{width}}{_SEPARATORS[kind]} "
        inner = indentation + " " * len(head)
        value = _format(replies, inner)
        if kind == b"%":
            value = f"{value} => {_format(replies, inner)}"
        lines.append((indentation if number > 1 else "") + head + value)
    return "\n".join(lines)


def _flatten(replies: _Replies, values: list[bytes]) -> None:
    kind, text = replies.line()
    if kind in _SCALARS:
        values.append(b"" if kind == b"_" else text)
        return
    size = int(text)
    if kind in _BULKS:
        value = b"" if size < 0 else replies.bytes(size)
        values.append(value[_VERBATIM_TYPE_BYTES:] if kind == b"=" else value)
        return
    for _ in range(size * (2 if kind == b"%" else 1)):
        _flatten(replies, values)

"""Inline commands: a line of words, as typed into telnet. The quoting rules are Redis's `sdssplitargs`."""

from __future__ import annotations

import re
from typing import Final

_BLANKS: Final = b" \t\n\v\f\r"
_WORD_ENDS: Final = b" \t\n\r\0"
_HEXADECIMAL: Final = re.compile(rb"[0-9a-fA-F]{2}")
_ESCAPES: Final = {ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t", ord("b"): b"\b", ord("a"): b"\a"}


def split_inline(line: bytes) -> list[bytes] | None:
    """The words of *line*, or None when its quotes are unbalanced."""
    words: list[bytes] = []
    position = 0
    while True:
        while position < len(line) and line[position] in _BLANKS:
            position += 1
        if position == len(line):
            return words
        found = _read_word(line, position)
        if found is None:
            return None
        word, position = found
        words.append(word)


def _read_word(line: bytes, position: int) -> tuple[bytes, int] | None:
    """The word that begins at *position* and where it ends. A quote may open anywhere in a word and ends it."""
    word = bytearray()
    while position < len(line) and line[position] not in _WORD_ENDS:
        if line[position] == ord('"'):
            closed = _read_double_quoted(line, position + 1, word)
        elif line[position] == ord("'"):
            closed = _read_single_quoted(line, position + 1, word)
        else:
            word.append(line[position])
            position += 1
            continue
        if closed is None or (closed < len(line) and line[closed] not in _BLANKS):
            return None
        return bytes(word), closed
    return bytes(word), position


def _read_double_quoted(line: bytes, position: int, word: bytearray) -> int | None:
    r"""Append what stands in double quotes, with the escapes \n, \r, \t, \b, \a and \xHH; where it ends."""
    while position < len(line):
        byte = line[position]
        if byte == ord('"'):
            return position + 1
        if byte == ord("\\") and position + 1 < len(line):
            escaped = line[position + 1]
            digits = _HEXADECIMAL.match(line, position + 2) if escaped == ord("x") else None
            word += bytes.fromhex(digits[0].decode()) if digits else _ESCAPES.get(escaped, bytes((escaped,)))
            position += 4 if digits else 2
        else:
            word.append(byte)
            position += 1
    return None


def _read_single_quoted(line: bytes, position: int, word: bytearray) -> int | None:
    r"""Append what stands in single quotes, where only \' is an escape; where it ends."""
    while position < len(line):
        if line.startswith(b"\\'", position):
            word.append(ord("'"))
            position += 2
        elif line[position] == ord("'"):
            return position + 1
        else:
            word.append(line[position])
            position += 1
    return None

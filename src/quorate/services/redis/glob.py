"""Redis's glob patterns as regular expressions that take time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[bytes], object]


@lru_cache(maxsize=256)
def matcher(pattern: bytes) -> Matcher:
    """A function that says whether a text matches *pattern* as a whole.

    Between two stars stands a piece of fixed length. To match each piece but the last at the first place where it
    fits, and never to go back (an atomic group), finds a match whenever there is one: no pattern takes exponential
    time, which a recursive matcher like Redis's own does.
    """
    first, *others = [_piece(tokens) for tokens in _pieces(pattern)]
    expression = first
    if others:
        *middle, last = others
        expression += b"".join(b"(?>.*?%b)" % piece for piece in middle) + b".*" + last
    if pattern not in (b"", b"*"):
        # Redis compares an empty text with an empty pattern only; `*` alone is taken for no pattern at all.
        expression = b"(?=.)" + expression
    return re.compile(expression, re.DOTALL).fullmatch


def _pieces(pattern: bytes) -> list[list[bytes]]:
    """What stands between the stars, each piece a list of expressions for one byte."""
    pieces: list[list[bytes]] = [[]]
    place = 0
    while place < len(pattern):
        byte = pattern[place : place + 1]
        place += 1
        if byte == b"*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append([])
        elif byte == b"?":
            pieces[-1].append(b".")
        elif byte == b"[":
            expression, place = _class(pattern, place)
            pieces[-1].append(expression)
        else:
            if byte == b"\\" and place < len(pattern):
                byte = pattern[place : place + 1]
                place += 1
            pieces[-1].append(re.escape(byte))
    return pieces


def _piece(tokens: list[bytes]) -> bytes:
    return b"".join(tokens)


def _class(pattern: bytes, place: int) -> tuple[bytes, int]:
    """The expression for what follows a bracket, and the place behind the class, which need not be closed."""
    negated = pattern[place : place + 1] == b"^"
    place += negated
    members: set[int] = set()
    while place < len(pattern) and pattern[place : place + 1] != b"]":
        if pattern[place : place + 1] == b"\\" and place + 1 < len(pattern):
            members.add(pattern[place + 1])
            place += 2
        elif pattern[place + 1 : place + 2] == b"-" and place + 2 < len(pattern):
            low, high = sorted((pattern[place], pattern[place + 2]))
            members.update(range(low, high + 1))
            place += 3
        else:
            members.add(pattern[place])
            place += 1
    allowed = sorted(set(range(256)) - members if negated else members)
    if not allowed:
        return b"(?!)", place + 1
    return b"[" + b"".join(b"\\x%02x" % byte for byte in allowed) + b"]", place + 1

"""The scanner's fast path: the end of a run of whole, plain commands, found in one go and without memory.

A command of RESP is an array of length-prefixed strings, which a regular expression cannot describe for every
length; for each single length it can. So a pattern spells the short lengths out, as a tree of digits:

    $(?:0\\r\\n\\r\\n | 1(?:\\r\\n.{1}\\r\\n | 0\\r\\n.{10}\\r\\n | ...) | 2... )

What matches is exactly well-formed: the announced number of arguments, each of its announced size, each line ended
by CRLF. A pipeline of short commands costs about 0.15 us a command this way. Where a longer command stands, a loop
steps over it, in about 2 us. What neither takes (inline commands, commands that the connection answers itself,
incomplete ones, anything odd) is left to `Scanner`, which decides what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

from quorate.gateways.resp.limits import SHORT_ARGUMENT_BYTES, SHORT_ARGUMENTS, ScanLimits

NAME_BYTES_MAX: Final = 20

_HEAD: Final = re.compile(rb"\*([1-9][0-9]{0,5})\r\n\$(0|[1-9][0-9]?)\r\n")
_BULK_HEADER: Final = re.compile(rb"\$(0|[1-9][0-9]{0,8})\r\n")
_LINE_END: Final = b"\r\n"
_CRLF: Final = rb"\r\n"


def end_of_run(buffer: bytes | bytearray, special_names: frozenset[bytes], limits: ScanLimits, bytes_max: int) -> int:
    """Where the plain commands at the front of *buffer* end, at the latest soon after *bytes_max*."""
    match_short = compile_plain_run(special_names).match
    position, stop = 0, min(bytes_max, len(buffer))
    while position < stop:
        if short := match_short(buffer, position, bytes_max):
            position = short.end()
        if position == len(buffer):
            break
        end = _end_of_command(buffer, special_names, limits, position)
        if end == position:
            break
        position = end
    return position


def _end_of_command(buffer: bytes | bytearray, special_names: frozenset[bytes], limits: ScanLimits, start: int) -> int:
    """Where the plain command at *start* ends; *start* when there is no whole one."""
    head = _HEAD.match(buffer, start)
    if head is None:
        return start
    count, end = int(head[1]), head.end() + int(head[2])
    is_plain = buffer[end : end + 2] == _LINE_END and bytes(buffer[head.end() : end]).lower() not in special_names
    if not is_plain or count > limits.arguments:
        return start
    for _ in range(count - 1):
        header = _BULK_HEADER.match(buffer, end + 2)
        if header is None or int(header[1]) > limits.argument_bytes:
            return start
        end = header.end() + int(header[1])
        if buffer[end : end + 2] != _LINE_END:
            return start
    return end + 2 if end - start <= limits.command_bytes else start


@cache
def compile_plain_run(special_names: frozenset[bytes]) -> re.Pattern[bytes]:
    """A pattern that matches the longest run of whole plain commands; one named in *special_names* is not plain."""
    return _compile_run(lambda size: _other_name(size, special_names))


@cache
def compile_run_of(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """A pattern that matches the longest run of whole short commands with one of these *names*, in small letters."""
    return _compile_run(lambda size: _one_of(size, names))


def _compile_run(name_of_size: Callable[[int], bytes]) -> re.Pattern[bytes]:
    argument = rb"\$" + _tree_of_lengths(SHORT_ARGUMENT_BYTES, _body)
    name = rb"\$" + _tree_of_lengths(NAME_BYTES_MAX, name_of_size)
    commands = (
        b"%d" % count + _CRLF + name + (b"(?:%b){%d}" % (argument, count - 1) if count > 1 else b"")
        for count in range(1, SHORT_ARGUMENTS + 1)
    )
    return re.compile(rb"(?:\*(?:" + b"|".join(commands) + b"))*", re.DOTALL)


def _body(size: int) -> bytes:
    return b".{%d}" % size + _CRLF if size else _CRLF


def _other_name(size: int, names: frozenset[bytes]) -> bytes:
    """A command's name of *size* bytes that is none of *names*, in capitals or not."""
    return b"(?!" + _one_of(size, names) + b")" + _body(size)


def _one_of(size: int, names: frozenset[bytes]) -> bytes:
    """A line with one of *names* that has *size* bytes, in capitals or not; what matches nothing when there is none."""
    fitting = sorted(re.escape(name) for name in names if len(name) == size)
    return b"(?i:" + b"|".join(fitting) + b")" + _CRLF if fitting else b"(?!)"


def _tree_of_lengths(longest: int, body: Callable[[int], bytes], number: int = 0) -> bytes:
    """Alternatives for the lengths up to *longest* whose digits begin with *number*, each with its body.

    A tree, not a list: the matcher tries at most ten branches a digit instead of one a length.
    """
    alternatives = [_CRLF + body(number)] if number else [b"0" + _CRLF + body(0)]
    for longer in range(max(1, number * 10), min(number * 10 + 9, longest) + 1):
        alternatives.append(b"%d" % (longer % 10) + _tree_of_lengths(longest, body, longer))
    return alternatives[0] if len(alternatives) == 1 else b"(?:" + b"|".join(alternatives) + b")"

"""The service beside a real redis-server: the same commands, the same bytes back, errors included.

The commands are made from the templates in `commands.txt`. One in ten is bent: an argument too many, one too few, or
one that is nonsense.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hiredis
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st


def _templates() -> dict[str, list[str]]:
    """The templates of each family, in `commands.txt`."""
    families: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "commands.txt").read_text().splitlines():
        if line.startswith("["):
            family = families.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            family.append(line)
    return families


_TEMPLATES = _templates()

_INTEGERS = ["0", "1", "-1", "2", "3", "10", "-7", "100", "9223372036854775807", "-9223372036854775808"]
_NUMBERS = [*_INTEGERS, "007", "+1", " 1", "1.5"]
_FLOATS = [
    *["0", "1", "-1", "0.1", "1.5", "2", "-2.25", "3.0e2", "1e17", "-0", "1e-5", ".5", "3.", "0.30000000000000004"],
    *["inf", "-inf", "+inf", "nan", "1e400", "0x10", "12345678901234567890"],
]
_ARGUMENTS: dict[str, list[str]] = {
    "K": ["a", "a", "b", "b", "c"],
    "M": ["x", "y", "z", "xy", "", "1", "22"],
    "V": ["", "v", "hello world", "\x00\xff\r\n", "12", "3.5", "x" * 70],
    "N": _NUMBERS,
    "I": [*_INTEGERS, "-2", "5", "-100", "16", "x"],
    "C": ["0", "1", "2", "3", "100", "-1", "x"],
    "F": _FLOATS,
    "S": [*_FLOATS, "(1", "(0.1", "(inf", "-inf", "("],
    "L": ["-", "+", "[x", "(x", "[y", "(xy", "[", "(", "x", ""],
    "B": ["0", "1", "1", "2", "x"],
    "U": ["BYTE", "BIT", "bits"],
    "E": ["100000", "200000", "300000000", "0", "-5", "9223372036854775807", "x"],
    "X": ["4000000000", "4000000001", "5000000000", "1", "-3", "9223372036854775807"],
    "A": ["4000000000000", "4000000000500", "4000000000501", "1", "9223372036854775807"],
    "Z": ["4000000000", "5000000000", "x", "9223372036854775807"],
    "J": ["4000000000000", "4000000000501", "x", "9223372036854775807"],
    "P": ["*", "?", "a*", "[ab]", "[^a]", "[a-b]*", "x?", "\\x*", "*y*", "[", "[^", "a[", "\\", "**", "[b-a]", "x\\"],
    "W": ["BEFORE", "after", "between"],
    "D": ["LEFT", "right", "up"],
    "Y": ["string", "hash", "list", "set", "ZSET", "nonsense"],
    "G": ["SUM", "min", "MAX", "avg"],
}
_NONSENSE = ["", "nonsense", "-1", "LIMIT", "WITHSCORES", "3.7", "99999999999999999999"]

# What Redis answers in an order of its own, or with a time that goes on between two questions.
_UNORDERED = {"KEYS", "HKEYS", "HVALS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP"}
_UNORDERED_PAIRS = {"HGETALL"}
_UNORDERED_SCAN = {"SCAN", "SSCAN", "HSCAN", "ZSCAN"}
_TIMES = {"TTL": 60, "EXPIRETIME": 60, "PTTL": 60_000, "PEXPIRETIME": 60_000}


@st.composite
def _one_command(draw: st.DrawFn, family: str) -> list[str]:
    template = draw(st.sampled_from(_TEMPLATES[family] + _TEMPLATES["keys" if family != "algebra" else family]))
    arguments = _fill(draw, template)
    bend = draw(st.integers(0, 29))
    if bend == 0:
        arguments.append(draw(st.sampled_from(_NONSENSE)))
    elif bend == 1:
        arguments.pop()
    elif bend == 2:
        arguments[draw(st.integers(0, len(arguments) - 1))] = draw(st.sampled_from(_NONSENSE))
    return arguments or ["PING"]


def _fill(draw: st.DrawFn, template: str) -> list[str]:
    arguments: list[str] = []
    rest = template
    while rest:
        if rest[0] in "({":
            group, _, rest = rest[1:].partition(")" if rest[0] == "(" else "}")
            choices = group.split("|")
            if choices == [group] and template[len(template) - len(rest) - 1] == ")":
                repeated = [group] * draw(st.integers(1, 3))
            else:
                repeated = draw(st.lists(st.sampled_from(choices), max_size=2))
            for each in repeated:
                arguments += _fill(draw, each)
        else:
            word, _, rest = rest.partition(" ")
            arguments.append(draw(st.sampled_from(_ARGUMENTS[word])) if word in _ARGUMENTS else word)
        rest = rest.lstrip(" ")
    return arguments


def _parsed(reply: bytes) -> Any:
    reader = hiredis.Reader(replyError=str, protocolError=str)
    reader.feed(reply)
    return reader.gets()


def _canonical(name: str, reply: bytes) -> Any:
    """What must be equal: the bytes, unless Redis is free to choose them."""
    if reply[:1] in b"-_+" or reply.startswith((b"$-1", b"*-1")):
        return reply
    parsed = _parsed(reply)
    if name in _UNORDERED and isinstance(parsed, list):
        return reply[:1], sorted(parsed)
    if name in _UNORDERED_PAIRS:
        return reply[:1], sorted(parsed.items() if isinstance(parsed, dict) else _pairs(parsed))
    if name in _UNORDERED_SCAN:
        cursor, elements = parsed
        return cursor, sorted(elements if name in ("SCAN", "SSCAN") else _pairs(elements))
    return reply


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _check(name: str, expected: bytes, actual: bytes) -> None:
    if name in _TIMES and expected[:1] == actual[:1] == b":" and (time := _parsed(expected)) > 0:
        assert abs(_parsed(actual) - time) < _TIMES[name]
        return
    assert _canonical(name, actual) == _canonical(name, expected)


@pytest.mark.parametrize("family", _TEMPLATES)
@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_are_those_of_redis(family: str, protocol: int, oracle: Any, new_subject: Any) -> None:
    """Random sequences of commands of a family, and of those on keys, get byte for byte what Redis answers."""

    @settings(max_examples=120, deadline=None)
    @given(st.lists(_one_command(family), min_size=1, max_size=30))
    def check(commands: list[list[str]]) -> None:
        oracle.start_over(protocol)
        subject = new_subject(protocol)
        seconds, microseconds = _parsed(oracle.ask("TIME"))
        subject.time = int(seconds) * 1_000_000 + int(microseconds)
        database = 0
        for words in commands:
            arguments = [word.encode("latin-1") for word in words]
            note(f"{arguments}")
            expected, actual = oracle.ask(*arguments), subject.ask(*arguments, database=database)
            _check(words[0].upper(), expected, actual)
            if words[0].upper() == "SELECT" and actual == b"+OK\r\n":
                database = int(words[1])

    check()

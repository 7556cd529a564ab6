"""Words of an inline command."""

from __future__ import annotations

import pytest

from quorate.gateways.resp.inline import split_inline


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t ", []),
        (b"PING", [b"PING"]),
        (b"  set  key\tvalue ", [b"set", b"key", b"value"]),
        (rb'set key "a b"', [b"set", b"key", b"a b"]),
        (rb'set key "\x00\xfF\n\r\t\b\a\"\\\q"', [b"set", b"key", b'\x00\xff\n\r\t\b\a"\\q']),
        (rb'"\xg0"', [b"xg0"]),
        (rb"'it\'s' 'a\n'", [b"it's", rb"a\n"]),
        (b"''", [b""]),
        (b"ab'cd' ef", [b"abcd", b"ef"]),
        (b"a\vb", [b"a\vb"]),
        (b"'a'\vb", [b"a", b"b"]),
    ],
)
def test_words(line: bytes, words: list[bytes]) -> None:
    assert split_inline(line) == words


@pytest.mark.parametrize("line", [b"'a", b'"a', b"'a'b", b'"a"b', b"a 'b", rb'"a\"', rb"'a\'", b'"\\'])
def test_unbalanced_quotes(line: bytes) -> None:
    assert split_inline(line) is None

"""Numbers, patterns and single commands beside a real redis-server: where random commands rarely go."""

from __future__ import annotations

import struct
from typing import Any

import hiredis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

_doubles = st.one_of(st.floats(allow_nan=False), st.floats(-1000, 1000), st.integers(-(10**18), 10**18).map(float))
_decimals = st.one_of(
    st.decimals(-(10**12), 10**12, places=8).map(str),
    st.from_regex(r"[+-]?[0-9]{1,25}(\.[0-9]{0,25})?(e[+-]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(
        ["1e4931", "1e4932", "1.1e4932", "1e4933", "1e-4950", "1e-4960", "-1e4932", "0e99999999999999999999"]
    ),
)
_patterns = st.text(alphabet="ab*?[]^-\\c", max_size=9)
_names = st.text(alphabet="abc]^-\\*", max_size=6)


def test_scores_are_written_alike(oracle: Any, new_subject: Any) -> None:
    """Any double comes back in the same digits, in both protocols, and sums are equal to the last bit."""

    @settings(max_examples=300, deadline=None)
    @given(_doubles, _doubles, st.sampled_from([2, 3]))
    def check(one: float, other: float, protocol: int) -> None:
        subject = new_subject(protocol)
        oracle.start_over(protocol)
        for command in (("ZADD", "key", repr(one), "x"), ("ZSCORE", "key", "x"), ("ZINCRBY", "key", repr(other), "x")):
            assert subject.ask(*command) == oracle.ask(*command)

    check()


def test_long_doubles_are_added_alike(oracle: Any, new_subject: Any) -> None:
    """INCRBYFLOAT gives the digits of an x86 redis-server, beyond what a double holds."""

    @settings(max_examples=400, deadline=None)
    @given(_decimals, _decimals)
    def check(one: str, other: str) -> None:
        subject = new_subject()
        oracle.start_over(2)
        for command in (("SET", "key", one), ("INCRBYFLOAT", "key", other), ("HINCRBYFLOAT", "hash", "field", one)):
            assert subject.ask(*command) == oracle.ask(*command)

    check()


def test_texts_are_numbers_alike(oracle: Any, new_subject: Any) -> None:
    """What is a number, and what is none, is decided alike."""

    @settings(max_examples=400, deadline=None)
    @given(st.one_of(st.text(alphabet="0123456789+-. eExXpinfa_", max_size=7), _doubles.map(repr)))
    def check(text: str) -> None:
        subject = new_subject()
        oracle.start_over(2)
        for command in (
            ("ZADD", "key", text, "x"),
            ("ZCOUNT", "key", text, f"({text}"),
            ("SET", "number", text),
            ("INCR", "number"),
            ("INCRBYFLOAT", "float", text),
        ):
            assert subject.ask(*command) == oracle.ask(*command), command

    check()


def test_patterns_match_alike(oracle: Any, new_subject: Any) -> None:
    """KEYS with any pattern selects the same keys."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(_patterns, min_size=1, max_size=5), st.lists(_names, min_size=1, max_size=8))
    @example(["**", "*", ""], [""])
    def check(patterns: list[str], names: list[str]) -> None:
        subject = new_subject()
        oracle.start_over(2)
        for name in names:
            assert subject.ask("SET", name, "") == oracle.ask("SET", name, "")
        for pattern in patterns:
            assert sorted(_parsed(subject.ask("KEYS", pattern))) == sorted(_parsed(oracle.ask("KEYS", pattern))), (
                pattern
            )

    check()


def _parsed(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


_SINGLE = [
    ["NOSUCH", "a", "b"],
    ["nosuch"],
    ["NOSUCH", "x" * 200, "y"],
    ["x" * 200, "y"],
    ["NO\x00SUCH", "a\x00b"],
    ["NO\r\nSUCH", "a\nb"],
    ["GET"],
    ["gEt", "a", "b"],
    ["OBJECT"],
    ["OBJECT", "ENCODING"],
    ["OBJECT", "NOSUCH", "a"],
    ["OBJECT", "FREQ", "missing"],
    ["CONFIG"],
    ["CONFIG", "GET"],
    ["CONFIG", "NOSUCH"],
    ["CONFIG", "GET", "no*such"],
    ["COMMAND", "NOSUCH"],
    ["COMMAND", "COUNT", "x"],
    ["COMMAND", "INFO", "nosuch"],
    ["FLUSHALL", "LATER"],
    ["SCAN", "x"],
    ["SCAN", "-1"],
    ["SCAN", "18446744073709551616"],
    ["SCAN", "0", "MATCH"],
    ["SCAN", "0", "TYPE", "x", "COUNT", "0"],
    ["SELECT", "16"],
    ["SELECT", "-1"],
    ["SELECT", "zero"],
    ["SETRANGE", "a", "-1", "x"],
    ["LPOS", "a", "b", "RANK", "0"],
    ["LPOS", "a", "b", "RANK", "-9223372036854775808"],
    ["SINTERCARD", "2", "a"],
    ["ZUNIONSTORE", "a", "0", "b"],
    ["ZUNIONSTORE", "a", "2", "b"],
    ["ZINTER", "1", "a", "WEIGHTS", "x"],
    ["EXPIRE", "a", "1", "NX", "XX"],
    ["EXPIRE", "a", "1", "GT", "LT"],
    ["EXPIRE", "a", "1", "SOON"],
    ["EXPIRE", "a", "9223372036854775807"],
    ["INFO", "nosuch"],
    ["PING", "a", "b"],
    ["ECHO"],
    ["DECRBY", "a", "-9223372036854775808"],
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("command", _SINGLE, ids=" ".join)
def test_errors_are_worded_alike(command: list[str], protocol: int, oracle: Any, new_subject: Any) -> None:
    oracle.start_over(protocol)

    assert new_subject(protocol).ask(*command) == oracle.ask(*command)


@pytest.mark.parametrize(
    "value",
    ["1", "-9223372036854775808", "007", "1" * 20, "1" * 19, "x", "x" * 44, "x" * 45, ""],
)
def test_encodings_of_strings_are_named_alike(value: str, oracle: Any, subject: Any) -> None:
    for command in (["SET", "key", value], ["OBJECT", "ENCODING", "key"]):
        assert subject.ask(*command) == oracle.ask(*command)


@pytest.mark.parametrize(
    "make",
    [
        ["HSET", "key", "field", "x" * 64],
        ["HSET", "key", "field", "x" * 65],
        ["HSET", "key", *map(str, range(1024))],
        ["HSET", "key", *map(str, range(1026))],
        ["SADD", "key", *map(str, range(512))],
        ["SADD", "key", *map(str, range(513))],
        ["SADD", "key", "1", "x"],
        ["ZADD", "key", *map(str, range(256))],
        ["ZADD", "key", *map(str, range(258))],
        ["ZADD", "key", "1", "x" * 65],
        ["RPUSH", "key", "x"],
    ],
    ids=lambda command: f"{command[0]} of {len(command)}",
)
def test_encodings_of_containers_are_named_alike(make: list[str], oracle: Any, subject: Any) -> None:
    for command in (make, ["OBJECT", "ENCODING", "key"]):
        assert subject.ask(*command) == oracle.ask(*command)


def test_large_containers_answer_alike(oracle: Any, new_subject: Any) -> None:
    """Beyond Redis's compact encodings, where its code is another."""
    for protocol in (2, 3):
        subject = new_subject(protocol)
        oracle.start_over(protocol)
        for number in range(600):
            for command in (
                ["ZADD", "zset", str(number * 7919 % 1000 / 8), f"member:{number}"],
                ["RPUSH", "list", f"element:{number}"],
            ):
                assert subject.ask(*command) == oracle.ask(*command)
        for command in (
            ["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
            ["ZRANGEBYSCORE", "zset", "(10.5", "60", "WITHSCORES", "LIMIT", "3", "50"],
            ["ZREVRANGEBYSCORE", "zset", "+inf", "100"],
            ["ZRANK", "zset", "member:77"],
            ["ZPOPMAX", "zset", "10"],
            ["ZREMRANGEBYSCORE", "zset", "0", "50"],
            ["ZRANGE", "zset", "-10", "-1", "REV", "WITHSCORES"],
            ["LRANGE", "list", "0", "-1"],
            ["LRANGE", "list", "550", "580"],
            ["LINDEX", "list", "-250"],
            ["LPOS", "list", "element:333", "RANK", "-1"],
            ["LTRIM", "list", "100", "-101"],
            ["LRANGE", "list", "0", "-1"],
        ):
            assert subject.ask(*command) == oracle.ask(*command), command


def test_infinite_scores_with_a_weight_of_zero_add_up_alike(oracle: Any, new_subject: Any) -> None:
    """Infinity times 0 is no number, which Redis makes 0 in a union, in an intersection only once it is added."""
    for aggregate in ("SUM", "MIN", "MAX"):
        subject = new_subject()
        oracle.start_over(2)
        for command in (
            ["ZADD", "a", "inf", "x", "0", "y", "-inf", "z"],
            ["ZADD", "b", "inf", "x", "1", "y", "2", "z", "3", "w"],
            *(
                [name, "2", *keys, "WEIGHTS", *weights, "AGGREGATE", aggregate, "WITHSCORES"]
                for name in ("ZINTER", "ZUNION")
                for keys in ("aa", "ab", "ba")
                for weights in (("1", "0"), ("0", "1"), ("0", "0"))
            ),
        ):
            assert subject.ask(*command) == oracle.ask(*command), command


def test_bits_are_counted_alike(oracle: Any, new_subject: Any) -> None:
    """Ranges of bytes and of bits, over any bytes."""

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=5), st.integers(-50, 50), st.integers(-50, 50), st.sampled_from(["BYTE", "BIT"]))
    def check(value: bytes, start: int, end: int, unit: str) -> None:
        subject = new_subject()
        oracle.start_over(2)
        for command in (["SET", "key", value], ["BITCOUNT", "key", start, end, unit], ["GETBIT", "key", abs(start)]):
            assert subject.ask(*command) == oracle.ask(*command)

    check()


def test_doubles_survive_their_text() -> None:
    """The digits of a score are enough to find the double again, so clients and Redis agree on it."""
    from quorate.services.redis.numbers import parse_double
    from quorate.services.redis.reply import double_text

    for bits in range(0, 1 << 62, (1 << 62) // 1000):
        value: float = struct.unpack(">d", struct.pack(">Q", bits))[0]
        assert parse_double(double_text(value)) == value

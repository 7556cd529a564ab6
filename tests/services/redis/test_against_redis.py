"""The service beside a real redis-server: the same commands, the same bytes back, errors included.

A command's template names the kinds of its arguments (see `_ARGUMENTS`), groups that repeat in parentheses and
options in braces. One command in ten is bent: an argument too many, one too few, or one that is nonsense.
"""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

_TEMPLATES: dict[str, list[str]] = {
    "strings": [
        "SET K V", "SET K N", "SET K F", "SET K V {NX|XX|GET|KEEPTTL|EX E|PXAT A|EXAT X}", "GET K", "GETSET K V", "GETDEL K",
        "GETEX K {PERSIST|EX E|PXAT A|EXAT X}", "SETNX K V", "SETEX K E V", "PSETEX K E V", "MSET (K V)", "MSETNX (K V)",
        "MGET (K)", "APPEND K V", "STRLEN K", "GETRANGE K I I", "SUBSTR K I I", "SETRANGE K I V", "INCR K", "DECR K",
        "INCRBY K N", "DECRBY K N", "INCRBYFLOAT K F", "SETBIT K I B", "GETBIT K I", "BITCOUNT K", "BITCOUNT K I I",
        "BITCOUNT K I I U", "GET K", "STRLEN K",
    ],
    "keys": [
        "DEL (K)", "UNLINK (K)", "EXISTS (K)", "TYPE K", "RENAME K K", "RENAMENX K K", "COPY K K {REPLACE|DB I}", "COPY K K",
        "KEYS P", "TOUCH (K)", "EXPIRE K E {NX|XX}", "PEXPIRE K E {NX|XX}", "EXPIREAT K X {NX|XX|GT|LT}", "MOVE K I",
        "PEXPIREAT K A {NX|XX|GT|LT}", "TTL K", "PTTL K", "EXPIRETIME K", "PEXPIRETIME K", "PERSIST K", "DBSIZE",
        "FLUSHDB {ASYNC|SYNC}", "SELECT I", "SCAN 0 {COUNT 100|COUNT 0|COUNT x|MATCH P|TYPE Y}", "PING", "PING V", "ECHO V",
        "OBJECT REFCOUNT missing", "OBJECT FREQ K", "SETNX K V",
    ],
    "hashes": [
        "HSET K (M V)", "HSET K (M N)", "HSET K (M F)", "HMSET K (M V)", "HSETNX K M V", "HGET K M", "HMGET K (M)", "HGETALL K",
        "HKEYS K", "HVALS K", "HLEN K", "HDEL K (M)", "HEXISTS K M", "HSTRLEN K M", "HINCRBY K M N", "HINCRBYFLOAT K M F",
        "HSCAN K 0 {COUNT 100|COUNT 0|COUNT x|MATCH P}", "HRANDFIELD missing", "HRANDFIELD missing N", "HRANDFIELD missing N WITHVALUES",
    ],
    "lists": [
        "LPUSH K (M)", "RPUSH K (M)", "LPUSHX K (M)", "RPUSHX K (M)", "LPOP K", "RPOP K", "LPOP K C", "RPOP K C", "LRANGE K I I",
        "LLEN K", "LINDEX K I", "LSET K I V", "LINSERT K W M V", "LREM K I M", "LTRIM K I I",
        "LPOS K M {RANK I|COUNT C|MAXLEN C}", "LMOVE K K D D", "RPOPLPUSH K K", "RPUSH K (M)", "LRANGE K 0 -1",
    ],
    "sets": [
        "SADD K (M)", "SADD K (N)", "SREM K (M)", "SMEMBERS K", "SISMEMBER K M", "SMISMEMBER K (M)", "SCARD K", "SMOVE K K M",
        "SINTER (K)", "SUNION (K)", "SDIFF (K)", "SINTERSTORE K (K)", "SUNIONSTORE K (K)", "SDIFFSTORE K (K)",
        "SINTERCARD 2 K K {LIMIT C}", "SINTERCARD I K", "SPOP missing", "SPOP missing C", "SPOP K 100", "SRANDMEMBER missing",
        "SRANDMEMBER missing N", "SSCAN K 0 {COUNT 100|COUNT 0|COUNT x|MATCH P}", "SADD K (M)",
    ],
    "sorted sets": [
        "ZADD K (F M)", "ZADD K (F M)", "ZADD K {NX|XX|GT|LT|CH} (F M)", "ZADD K INCR F M", "ZADD K {NX|XX|GT|LT} INCR F M",
        "ZINCRBY K F M", "ZREM K (M)", "ZCARD K", "ZSCORE K M", "ZMSCORE K (M)", "ZRANK K M", "ZREVRANK K M", "ZCOUNT K S S",
        "ZLEXCOUNT K L L", "ZRANGE K I I {REV|WITHSCORES}", "ZRANGE K S S BYSCORE {REV|WITHSCORES|LIMIT I I}",
        "ZRANGE K L L BYLEX {REV|LIMIT I I}", "ZRANGE K I I {LIMIT I I|WITHSCORES|BYLEX}", "ZREVRANGE K I I {WITHSCORES}",
        "ZRANGEBYSCORE K S S {WITHSCORES|LIMIT I I}", "ZREVRANGEBYSCORE K S S {WITHSCORES|LIMIT I I}",
        "ZRANGEBYLEX K L L {LIMIT I I}", "ZREVRANGEBYLEX K L L {LIMIT I I}", "ZRANGESTORE K K I I {REV}",
        "ZRANGESTORE K K S S BYSCORE {LIMIT I I}", "ZREMRANGEBYRANK K I I", "ZREMRANGEBYSCORE K S S", "ZREMRANGEBYLEX K L L",
        "ZPOPMIN K", "ZPOPMAX K", "ZPOPMIN K C", "ZPOPMAX K C", "ZSCAN K 0 {COUNT 100|COUNT 0|COUNT x|MATCH P}", "ZRANDMEMBER missing",
        "ZRANDMEMBER missing N", "ZRANDMEMBER missing N WITHSCORES", "ZADD K (F M)", "SADD K (M)",
    ],
    "algebra": [
        "ZADD K (F M)", "ZADD K (F M)", "SADD K (M)",
        "ZUNION 2 K K {WEIGHTS F F|AGGREGATE G|WITHSCORES}", "ZINTER 2 K K {WEIGHTS F F|AGGREGATE G|WITHSCORES}",
        "ZDIFF 2 K K {WITHSCORES}", "ZUNIONSTORE K 2 K K {WEIGHTS F F|AGGREGATE G}", "ZINTERSTORE K 2 K K {WEIGHTS F F|AGGREGATE G}",
        "ZDIFFSTORE K 2 K K", "ZINTERCARD 2 K K {LIMIT C}", "ZUNION 3 K K K WITHSCORES", "ZUNION I K K", "ZRANGE K 0 -1 WITHSCORES",
    ],
}  # fmt: skip

_NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "-7",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "007",
    "+1",
    " 1",
    "1.5",
]
_FLOATS = ["0", "1", "-1", "0.1", "1.5", "2", "-2.25", "3.0e2", "1e17", "inf", "-inf", "+inf", "0.30000000000000004", "-0", "1e-5", ".5",
           "3.", "1e400", "nan", "0x10", "12345678901234567890"]  # fmt: skip
_ARGUMENTS: dict[str, list[str]] = {
    "K": ["a", "a", "b", "b", "c"],
    "M": ["x", "y", "z", "xy", "", "1", "22"],
    "V": ["", "v", "hello world", "\x00\xff\r\n", "12", "3.5", "x" * 70],
    "N": _NUMBERS,
    "I": ["0", "1", "-1", "2", "-2", "3", "5", "-100", "100", "16", "9223372036854775807", "-9223372036854775808", "x"],
    "C": ["0", "1", "2", "3", "100", "-1", "x"],
    "F": _FLOATS,
    "S": [*_FLOATS, "(1", "(0.1", "(inf", "-inf", "("],
    "L": ["-", "+", "[x", "(x", "[y", "(xy", "[", "(", "x", ""],
    "B": ["0", "1", "1", "2", "x"],
    "U": ["BYTE", "BIT", "bits"],
    "E": ["100000", "200000", "300000000", "0", "-5", "9223372036854775807", "x"],
    "X": ["4000000000", "4000000001", "5000000000", "1", "-3", "9223372036854775807"],
    "A": ["4000000000000", "4000000000500", "4000000000501", "1", "9223372036854775807"],
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

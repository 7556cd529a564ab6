"""The same bytes to a real redis-server 7.0.15 and to the gateway: the same bytes come back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Talk = Callable[[int, bytes], bytes]

TRANSCRIPTS = {
    "auth": "AUTH x|AUTH default x|AUTH bob x|AUTH|AUTH a b c|AUTH default",
    "hello": "HELLO|HELLO 2|HELLO 3|HELLO 4|HELLO x|HELLO 1|HELLO 3 FOO|HELLO 3 SETNAME|HELLO 3 AUTH default|HELLO",
    "hello with options": "HELLO 3 AUTH default pw SETNAME bob|CLIENT GETNAME|HELLO 2 SETNAME eve AUTH default x",
    "hello refused changes nothing": "HELLO 3 AUTH bob pw SETNAME eve|HELLO 3 SETNAME 'a b'|CLIENT GETNAME|GET absent",
    "select": "SELECT|SELECT 16|SELECT -1|SELECT abc|SELECT 99999999999|SELECT 99999999999999999999|SELECT 015",
    "select separates": "SET k 0|SELECT 1|GET k|SET k 1|SELECT 0|GET k|SELECT 1|GET k",
    "client": "CLIENT|CLIENT FOO|CLIENT ID x|CLIENT GETREDIR|CLIENT TRACKINGINFO|HELLO 3|CLIENT TRACKINGINFO",
    "client name": "CLIENT SETNAME 'a b'|CLIENT SETNAME a|CLIENT GETNAME|CLIENT SETNAME ''|CLIENT GETNAME",
    "client name, RESP3": "HELLO 3|CLIENT GETNAME|client setname x|CLIENT getname",
    "client list": "CLIENT LIST ID 999999|CLIENT LIST TYPE x|CLIENT LIST ID x|CLIENT LIST ID 0|CLIENT LIST foo",
    "client list of other types": "CLIENT LIST TYPE|CLIENT LIST TYPE pubsub|HELLO 3|CLIENT LIST TYPE replica",
    "client switches": "CLIENT NO-EVICT on|CLIENT NO-EVICT x|CLIENT NO-EVICT|CLIENT REPLY x|CLIENT LIST ID",
    "reply off": "CLIENT REPLY OFF|SET k 1|GET k|FOO|CLIENT FOO|SELECT|CLIENT REPLY ON|GET k",
    "reply skip": "CLIENT REPLY SKIP|SET k 1|GET k|CLIENT REPLY SKIP|CLIENT REPLY SKIP|SET k 2|GET k",
    "reply skip, then on": "CLIENT REPLY SKIP|CLIENT REPLY ON|GET k",
    "reply skip while off": "CLIENT REPLY OFF|CLIENT REPLY SKIP|GET k|GET k|CLIENT REPLY ON|GET k",
    "reply skip of multi": "CLIENT REPLY SKIP|MULTI|SET k 1|EXEC|GET k",
    "reply off in multi": "MULTI|SET k 1|CLIENT REPLY OFF|SET k 2|EXEC|GET k|CLIENT REPLY ON|GET k",
    "reply skip in multi": "MULTI|CLIENT REPLY SKIP|SET k 2|EXEC|GET k|GET k",
    "reply on in multi": "CLIENT REPLY OFF|MULTI|GET k|CLIENT REPLY ON|GET k|EXEC|GET k",
    "reply skip and on in multi": "MULTI|CLIENT REPLY SKIP|CLIENT REPLY ON|EXEC|GET k|GET k",
    "multi": "MULTI|SET k 1|INCR k|GET k|EXEC|GET k",
    "multi, RESP3": "HELLO 3|MULTI|GET absent|SET k 1|EXEC",
    "multi, empty": "MULTI|EXEC|MULTI|DISCARD",
    "multi nested": "MULTI|MULTI|WATCH a|SET k 1|EXEC",
    "multi, errors of execution": "SET k x|MULTI|INCR k|SET k 2|INCR k|EXEC|GET k",
    "multi, errors of form": "MULTI|SET k|EXEC|GET k|MULTI|FOO bar baz|SET k 1|EXEC|GET k|EXEC",
    "multi, client errors of form": "MULTI|CLIENT FOO|EXEC|MULTI|CLIENT SETNAME|EXEC|MULTI|SELECT|EXEC|MULTI|AUTH|EXEC",
    "multi, wrong exec": "MULTI|SET k 1|EXEC x|GET k|EXEC|EXEC x",
    "multi, wrong discard": "MULTI|SET k 1|DISCARD x|EXEC|GET k|DISCARD|DISCARD x",
    "multi, wrong watch": "MULTI|WATCH|EXEC|MULTI|UNWATCH x|EXEC|MULTI|MULTI x|EXEC|MULTI|RESET x|EXEC",
    "multi, session commands": "MULTI|SET k 1|CLIENT SETNAME a|GET k|AUTH x|UNWATCH|SELECT 99|CLIENT GETNAME|EXEC",
    "multi, only session commands": "MULTI|CLIENT SETNAME bob|CLIENT GETNAME|EXEC|CLIENT GETNAME",
    "multi, select": "MULTI|SET k 0|SELECT 1|SET k 1|GET k|EXEC|GET k|SELECT 0|GET k",
    "multi, select then discard": "SET k 0|MULTI|SELECT 1|DISCARD|GET k",
    "multi, hello is last": "MULTI|GET k|HELLO 3|EXEC|GET k",
    "multi, discard": "MULTI|SET k 1|DISCARD|GET k|DISCARD|EXEC",
    "multi, reset": "MULTI|SET k 1|RESET|EXEC|GET k",
    "multi, quit": "MULTI|SET k 1|QUIT|EXEC",
    "multi, quit with arguments": "MULTI|QUIT a b",
    "watch, untouched": "WATCH k|MULTI|SET k 1|EXEC|GET k",
    "watch, touched": "WATCH k|SET k 0|MULTI|SET k 1|EXEC|GET k|MULTI|SET k 1|EXEC",
    "watch, touched, RESP3": "HELLO 3|WATCH k|SET k 0|MULTI|SET k 1|EXEC|GET k",
    "watch, touched, empty": "WATCH k|SET k 0|MULTI|EXEC",
    "watch, touched, session commands": "WATCH k|SET k 0|MULTI|CLIENT SETNAME bob|SELECT 1|EXEC|CLIENT GETNAME|GET k",
    "watch, touched, broken": "WATCH k|SET k 0|MULTI|FOO|EXEC|MULTI|EXEC",
    "watch, touched, unwatch": "WATCH k|SET k 0|UNWATCH|MULTI|SET k 1|EXEC",
    "watch, touched, unwatch in multi": "WATCH k|SET k 0|MULTI|UNWATCH|EXEC|MULTI|EXEC",
    "watch, touched, discard": "WATCH k|SET k 0|MULTI|DISCARD|MULTI|SET k 1|EXEC",
    "watch, touched, reset": "WATCH k|SET k 0|RESET|MULTI|SET k 1|EXEC",
    "watch, other database": "WATCH k|SELECT 1|SET k 0|MULTI|GET k|EXEC|WATCH k|SELECT 0|SET k 1|MULTI|GET k|EXEC",
    "watch, other database touched": "SELECT 1|WATCH k|SET k 0|SELECT 0|MULTI|GET k|EXEC",
    "watch, first version counts": "WATCH k|SET k 0|WATCH k|MULTI|EXEC|WATCH k k j|WATCH j k|MULTI|EXEC",
    "watch, wrong": "WATCH|UNWATCH x|UNWATCH",
    "reset": "HELLO 3|SELECT 1|CLIENT SETNAME bob|RESET|CLIENT GETNAME|SET k 0|SELECT 1|GET k|RESET x",
    "reset while off": "CLIENT REPLY OFF|GET k|RESET|GET k",
    "quit": "SET k 1|QUIT|SET k 2",
    "security": "POST / HTTP/1.1|GET k",
    "security, header": "Host: localhost|GET k",
    "inline": "  set  k \"a b\\x00\\n\"|get k|GET 'k'||   |sEt k ''|GET k",
    "unknown": "FOO|FOO bar|'' a|\"a\\r\\nb\" c",
    "unbalanced": "GET k|GET 'k|GET k",
    "unbalanced, word": 'GET "k"x|GET k',
}

RAW_TRANSCRIPTS = {
    "empty": b"*0\r\n*-1\r\n\r\n\n*1\r\n$3\r\nFOO\r\n",
    "bare line feed": b"GET k\nGET k\n",
    "array and inline": b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGET k\r\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$2\r\n\r\n\r\nGET k\r\n",
    "no dollar": b"GET k\r\n*1\r\nGET\r\nGET k\r\n",
    "line end for dollar": b"*1\r\n\r\n",
    "line feed for dollar": b"*1\r\n\n\r\n",
    "high byte for dollar": b"*1\r\n\xff\r\n",
    "count is no number": b"*x\r\n",
    "count is empty": b"*\r\n",
    "count has a sign": b"*+1\r\n",
    "count has a zero": b"*01\r\n",
    "count is minus zero": b"*-0\r\n",
    "count is too small": b"*-9223372036854775809\r\n",
    "count is small": b"*-9223372036854775808\r\nGET k\r\n",
    "count is large": b"*2147483648\r\n",
    "length is negative": b"*1\r\n$-1\r\n",
    "length is no number": b"*1\r\n$x\r\n",
    "length has a zero": b"*1\r\n$03\r\nGET\r\n",
    "length is large": b"*1\r\n$536870913\r\n",
    "second length": b"*2\r\n$3\r\nGET\r\n$x\r\n",
    "error in multi": b"MULTI\r\nGET k\r\n*1\r\n$x\r\n",
    "error while off": b"CLIENT REPLY OFF\r\n*1\r\n$x\r\n",
    "sloppy line ends": b"*2\rx$3\rxGETab$1\r\nkcdGET k\r\n",
    "nul hides the rest": b"GET k\r\nGE\0T k\r\nGET k\r\n",
    "nul in a count": b"*1\0\r\n$3\r\nGET\r\n",
    "incomplete": b"GET k\r\n*2\r\n$3\r\nGET\r\n$1\r\n",
    "inline too long": b"x" * 70_000,
    "count too long": b"*" + b"1" * 70_000,
    "length too long": b"*1\r\n$" + b"1" * 70_000,
    "name is empty": b"*1\r\n$0\r\n\r\n*2\r\n$0\r\n\r\n$1\r\na\r\n",
    "unknown and long": b"*3\r\n$200\r\n"
    + b"n" * 200
    + b"\r\n$100\r\n"
    + b"a" * 100
    + b"\r\n$100\r\n"
    + b"b" * 100
    + b"\r\n",
    "unknown in multi": b"MULTI\r\n*2\r\n$4\r\nF\nOO\r\n$3\r\na\0b\r\nEXEC\r\n",
    "unknown subcommand": b"*2\r\n$6\r\nCLIENT\r\n$200\r\n" + b"s" * 200 + b"\r\n*2\r\n$6\r\nCLIENT\r\n$3\r\na\nb\r\n",
}


def without_numbers_of_the_run(replies: bytes) -> bytes:
    """The id of the connection, which HELLO tells, is another in each run."""
    return re.sub(rb"(\$2\r\nid\r\n):\d+", rb"\1:0", replies)


def lines(transcript: str) -> bytes:
    """The transcript as inline commands."""
    return b"".join(line.encode() + b"\r\n" for line in transcript.split("|"))


def assert_same(talk: Talk, redis_port: int, gateway: Any, sent: bytes) -> None:
    expected = without_numbers_of_the_run(talk(redis_port, sent))

    assert without_numbers_of_the_run(talk(gateway.port, sent)) == expected


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_inline_transcripts(talk: Talk, redis_port: int, gateway: Any, transcript: str) -> None:
    assert_same(talk, redis_port, gateway, lines(transcript))


@pytest.mark.parametrize("sent", RAW_TRANSCRIPTS.values(), ids=RAW_TRANSCRIPTS)
def test_raw_transcripts(talk: Talk, redis_port: int, gateway: Any, sent: bytes) -> None:
    assert_same(talk, redis_port, gateway, sent)


STEPS = (
    "MULTI|MULTI|EXEC|EXEC|DISCARD|WATCH k|WATCH k j|UNWATCH|SET k 1|SET j x|INCR k|INCR j|GET k|GET j|SELECT 1"
    "|SELECT 0|SELECT 77|RESET|HELLO 2|FOO x|SET k|EXEC x|CLIENT GETNAME|CLIENT SETNAME a|CLIENT REPLY ON"
    "|CLIENT REPLY OFF|CLIENT REPLY SKIP|CLIENT FOO"
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS.split("|")), max_size=25))
def test_any_session(talk: Talk, redis_port: int, gateway: Any, script: list[str]) -> None:
    assert talk(redis_port, b"FLUSHALL\r\n") == b"+OK\r\n"
    gateway.call(gateway.invoker.reset)

    assert_same(talk, redis_port, gateway, lines("|".join(script)))

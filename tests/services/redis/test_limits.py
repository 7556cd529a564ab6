"""Small commands that would take a lot of memory are refused, with an error that says so."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.config import Settings
from quorate.core.ports import Context
from quorate.services.redis import Pipeline, RedisService, encode_operation
from quorate.services.redis.limits import LARGEST_REPLY, LONGEST_STRING, MOST_RANDOM_ELEMENTS, limits_for
from quorate.services.redis.operation import encode_command

_TOO_LONG = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
_TOO_MUCH = b"-ERR the replies of one operation exceed the limit of this service, ask for less at once\r\n"
_NO_ROOM = b"-ERR the command was executed, but its reply exceeds the limit of this service\r\n"


@pytest.mark.parametrize(
    "command",
    ["SETRANGE key 500000000 x", f"SETRANGE key {LONGEST_STRING} x", "SETRANGE key 9223372036854775807 x"],
)
def test_a_string_does_not_grow_beyond_the_limit(command: str, subject: Any) -> None:
    assert subject.ask(*command.split()) == _TOO_LONG
    assert subject.ask("EXISTS", "key") == b":0\r\n"


def test_a_string_may_be_as_long_as_the_limit(subject: Any) -> None:
    assert subject.ask("SETRANGE", "key", LONGEST_STRING - 1, "x") == b":%d\r\n" % LONGEST_STRING
    assert subject.ask("APPEND", "key", "x") == _TOO_LONG
    assert subject.ask("STRLEN", "key") == b":%d\r\n" % LONGEST_STRING


def test_a_bit_beyond_the_limit_is_refused(subject: Any) -> None:
    error = b"-ERR bit offset is not an integer or out of range\r\n"

    assert subject.ask("SETBIT", "key", 8 * LONGEST_STRING, 1) == error
    assert subject.ask("SETBIT", "key", 4294967295, 1) == error
    assert subject.ask("SETBIT", "key", 8 * LONGEST_STRING - 1, 1) == b":0\r\n"


@pytest.mark.parametrize("command", ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"])
def test_repeated_random_elements_are_bounded(command: str, subject: Any) -> None:
    subject.ask("SADD", "set", "member")
    subject.ask("HSET", "hash", "field", "value")
    subject.ask("ZADD", "zset", 1, "member")

    refused = subject.ask(*command.split(), -1_000_000_000)
    few = subject.ask(*command.split(), -5)

    assert refused == b"-ERR value is out of range, this service repeats up to %d elements\r\n" % MOST_RANDOM_ELEMENTS
    assert few.startswith(b"*5\r\n")


def test_a_large_argument_is_refused_and_the_others_run(subject: Any) -> None:
    large = b"x" * (LONGEST_STRING + 1)
    set_large = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%b\r\n" % (len(large), large)
    ping = b"*1\r\n$4\r\nPING\r\n"

    assert subject.run(ping + set_large + ping) == (
        b"+PONG\r\n-ERR an argument exceeds the maximum size of this service\r\n+PONG\r\n"
    )
    assert subject.ask("EXISTS", "a") == b":0\r\n"


def test_a_reply_that_repeats_a_large_value_is_refused(subject: Any) -> None:
    """MGET of the same key over and over: the reply would be many times the state."""
    subject.ask("SETRANGE", "key", LONGEST_STRING - 1, "x")

    assert subject.ask("MGET", *["key"] * (LARGEST_REPLY // LONGEST_STRING + 1)) == _TOO_MUCH


def test_a_list_too_large_to_answer_with_is_refused(subject: Any) -> None:
    half = LARGEST_REPLY // 2
    for _ in range(2):
        subject.ask("RPUSH", "list", "x" * half)

    assert subject.ask("LRANGE", "list", 0, -1) == _TOO_MUCH
    assert len(subject.ask("LRANGE", "list", 0, 0)) > half


@pytest.mark.parametrize("command", ["LPOP key 2", "RPOP key 2", "SPOP key 2", "ZPOPMIN key 2", "ZPOPMAX key 2"])
def test_what_is_too_large_to_answer_with_is_not_taken(command: str, subject: Any) -> None:
    fill = {"L": ["RPUSH", "key"], "R": ["RPUSH", "key"], "S": ["SADD", "key"], "Z": ["ZADD", "key", 1]}[command[0]]
    for letter in "xy":
        subject.ask(*fill, letter * (LARGEST_REPLY // 2))

    assert subject.ask(*command.split()) == _TOO_MUCH
    count = {"L": "LLEN", "R": "LLEN", "S": "SCARD", "Z": "ZCARD"}[command[0]]
    assert subject.ask(count, "key") == b":2\r\n"


@pytest.mark.parametrize("reply_bytes_max", [16 << 20, 1 << 20, 65_536])
def test_the_replies_of_an_operation_are_never_more_than_the_cluster_carries(reply_bytes_max: int) -> None:
    service = RedisService.for_settings(Settings(reply_bytes_max=reply_bytes_max))

    def run(*commands: list[bytes]) -> bytes:
        raw = b"".join(map(encode_command, commands))
        return service.execute(encode_operation(Pipeline(0, 2, raw)), Context(bytes(32), 1, bytes(32), 1))

    value = b"x" * (limits_for(2 << 20, reply_bytes_max).largest_reply // 4 - 16)
    run([b"SET", b"key", value])
    get, swap, incr = [b"GET", b"key"], [b"SET", b"key", value[:-1], b"GET"], [b"INCR", b"n"]
    replies = run(*[get] * 4, swap, incr, incr)

    assert len(replies) <= reply_bytes_max
    assert replies.endswith(_NO_ROOM + _TOO_MUCH * 2)
    assert run([b"STRLEN", b"key"], [b"EXISTS", b"n"]) == b":%d\r\n:0\r\n" % (len(value) - 1)
    assert len(run(get)) > len(value)


@pytest.mark.parametrize(
    ("request_bytes_max", "longest"), [(2 << 20, (2 << 20) - 4096), (1 << 20, (1 << 20) - 4096), (64 << 20, 8 << 20)]
)
def test_the_longest_argument_is_what_the_cluster_carries(request_bytes_max: int, longest: int) -> None:
    service = RedisService.for_settings(Settings(request_bytes_max=request_bytes_max, batch_bytes_max=64 << 20))
    operation = encode_operation(Pipeline(0, 2, encode_command([b"CONFIG", b"GET", b"proto-max-bulk-len"])))

    told = service.execute(operation, Context(bytes(32), 1, bytes(32), 1))

    assert told == encode_command([b"proto-max-bulk-len", b"%d" % longest])


def test_once_the_replies_are_too_large_the_rest_of_a_pipeline_is_not_run(subject: Any) -> None:
    subject.ask("SETRANGE", "key", LONGEST_STRING - 1, "x")
    get, incr = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
    gets = LARGEST_REPLY // LONGEST_STRING + 1

    replies = subject.run(get * gets + incr)

    assert replies.endswith(_TOO_MUCH)
    assert len(replies) < LARGEST_REPLY
    assert subject.ask("EXISTS", "n") == b":0\r\n"


def test_a_pattern_full_of_stars_takes_no_exponential_time(subject: Any) -> None:
    """A backtracking matcher would need more than the age of the universe for this one."""
    subject.ask("SET", "a" * 2000, "")

    assert subject.ask("KEYS", "a*" * 300 + "b") == b"*0\r\n"


def test_a_large_scan_count_is_a_hint(subject: Any) -> None:
    subject.ask("SET", "key", "")

    assert subject.ask("SCAN", 0, "COUNT", 2**62) == b"*2\r\n$1\r\n0\r\n*1\r\n$3\r\nkey\r\n"

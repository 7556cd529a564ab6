"""Operations of the Redis service: pipelines, transactions, versions, queries, and what is none of these."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import MalformedMessage
from quorate.services.conformance import leaves_of
from quorate.services.redis import (
    Pipeline,
    RedisService,
    Transaction,
    Versions,
    Watched,
    decode_operation,
    decode_versions,
    encode_operation,
)

_PING = b"*1\r\n$4\r\nPING\r\n"
_GARBAGE_IN = b"-ERR Protocol error: an operation holds RESP arrays of bulk strings, whole ones, and nothing else\r\n"


def _command(*arguments: object) -> bytes:
    parts = [str(argument).encode() for argument in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _versions(subject: Any, *keys: tuple[int, bytes]) -> list[int]:
    return decode_versions(subject.service.execute(encode_operation(Versions(list(keys))), subject.context()))


def _exec(subject: Any, commands: bytes, watched: list[Watched]) -> bytes:
    operation = Transaction(0, subject.protocol, commands, watched)
    result: bytes = subject.service.execute(encode_operation(operation), subject.context())
    return result


def _query(subject: Any, commands: bytes) -> bytes | None:
    answer: bytes | None = subject.service.query(encode_operation(Pipeline(0, 2, commands)), subject.context())
    return answer


def test_a_pipeline_gets_its_replies_concatenated(subject: Any) -> None:
    commands = _command("SET", "a", 1) + _command("INCR", "a") + _command("LPUSH", "a", 1) + _command("GET", "a")

    assert subject.run(commands) == (
        b"+OK\r\n:2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n$1\r\n2\r\n"
    )


def test_select_holds_for_the_rest_of_its_operation(subject: Any) -> None:
    subject.run(_command("SELECT", 3) + _command("SET", "a", "three"))

    assert subject.run(_command("GET", "a")) == b"$-1\r\n"
    assert subject.run(_command("GET", "a"), database=3) == b"$5\r\nthree\r\n"


def test_a_transaction_goes_on_after_an_error(subject: Any) -> None:
    """As EXEC: each command has its reply, an error too, and the others run."""
    commands = _command("SET", "a", "x") + _command("INCR", "a") + _command("NOSUCH") + _command("SET", "b", "y")

    assert _exec(subject, commands, []) == (
        b"*4\r\n+OK\r\n-ERR value is not an integer or out of range\r\n"
        b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n+OK\r\n"
    )
    assert subject.ask("GET", "b") == b"$1\r\ny\r\n"


def test_an_empty_transaction_has_no_replies(subject: Any) -> None:
    assert _exec(subject, b"", []) == b"*0\r\n"


@pytest.mark.parametrize(("protocol", "null"), [(2, b"*-1\r\n"), (3, b"_\r\n")])
def test_a_transaction_whose_watched_key_changed_does_nothing(protocol: int, null: bytes, new_subject: Any) -> None:
    subject = new_subject(protocol)
    subject.ask("SET", "watched", 1)
    watched = [Watched(0, b"watched", *_versions(subject, (0, b"watched")))]

    assert _exec(subject, _command("SET", "other", 1), watched) == b"*1\r\n+OK\r\n"
    subject.ask("SET", "watched", 1)
    assert _exec(subject, _command("SET", "other", 2), watched) == null
    assert subject.ask("GET", "other") == b"$1\r\n1\r\n"


_CHANGES = [
    ["SET key same", "SET key same"],
    ["SET key 1", "INCR key"],
    ["SET key a", "APPEND key b"],
    ["SET key a", "EXPIRE key 100"],
    ["SETEX key 100 a", "PERSIST key"],
    ["HSET key f v", "HSET key f w"],
    ["HSET key f 1", "HINCRBY key f 1"],
    ["HSET key f v g w", "HDEL key f"],
    ["RPUSH key a", "RPUSH key b"],
    ["RPUSH key a b", "LPOP key"],
    ["RPUSH key a", "LSET key 0 b"],
    ["RPUSH key a", "RPOPLPUSH key key"],
    ["SADD key a", "SADD key b"],
    ["SADD key a b", "SPOP key"],
    ["SADD key a b", "SREM key a"],
    ["ZADD key 1 a", "ZADD key 2 a"],
    ["ZADD key 1 a 2 b", "ZPOPMIN key"],
    ["ZADD key 1 a 2 b", "ZREMRANGEBYRANK key 0 0"],
    ["SET key a", "DEL key"],
    ["SET key a", "FLUSHALL"],
    ["SET other a", "RENAME other key"],
    ["SET other a", "COPY other key"],
]


@pytest.mark.parametrize("commands", _CHANGES, ids=lambda commands: commands[-1])
def test_a_change_gives_a_key_another_version(commands: list[str], subject: Any) -> None:
    *before, change = [command.split() for command in commands]
    for command in before:
        subject.ask(*command)
    version = _versions(subject, (0, b"key"))

    subject.ask(*change)

    assert _versions(subject, (0, b"key")) != version


_NO_CHANGES = [
    ["SET key a", "GET key"],
    ["SET key a", "SETNX key b"],
    ["SET key a", "SET key b NX"],
    ["HSET key f v", "HSETNX key f w"],
    ["HSET key f v", "HDEL key g"],
    ["RPUSH key a", "LREM key 0 b"],
    ["RPUSH key a", "LTRIM key 0 -1"],
    ["RPUSH key a", "LINSERT key BEFORE b c"],
    ["SADD key a", "SADD key a"],
    ["SADD key a", "SREM key b"],
    ["SADD key a", "SMOVE key other b"],
    ["ZADD key 1 a", "ZADD key 1 a"],
    ["ZADD key 1 a", "ZADD key GT 0 a"],
    ["ZADD key 1 a", "ZREM key b"],
    ["ZADD key 1 a", "ZREMRANGEBYSCORE key 2 3"],
    ["SET key a", "LPUSH key b"],
    ["SET key a", "PERSIST key"],
    ["SET key a", "EXPIRE key 100 XX"],
]


@pytest.mark.parametrize("commands", _NO_CHANGES, ids=lambda commands: commands[-1])
def test_what_changes_nothing_leaves_the_version(commands: list[str], subject: Any) -> None:
    """Otherwise a transaction would fail for nothing."""
    before, attempt = (command.split() for command in commands)
    subject.ask(*before)
    version = _versions(subject, (0, b"key"))

    subject.ask(*attempt)

    assert _versions(subject, (0, b"key")) == version != [0]


def test_versions_survive_a_move_to_another_replica(subject: Any) -> None:
    """A transaction watches across state transfers: versions are part of the contents, and go on rising."""
    subject.ask("SET", "key", 1)
    version = _versions(subject, (0, b"key"))
    moved = subject.successor()

    assert _versions(moved, (0, b"key")) == version
    moved.ask("SET", "key", 1)
    assert _versions(moved, (0, b"key")) > version


def test_absent_keys_have_version_zero(subject: Any) -> None:
    subject.ask("SET", "key", 1)

    assert _versions(subject, (0, b"missing"), (1, b"key")) == [0, 0]


def test_a_query_answers_what_only_reads(subject: Any) -> None:
    subject.run(_command("SET", "a", 1) + _command("RPUSH", "l", 1, 2))

    assert _query(subject, _command("GET", "a") + _command("LRANGE", "l", 0, -1)) == (
        b"$1\r\n1\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
    )
    assert _query(subject, _command("DBSIZE") + _command("KEYS", "a")) == b":2\r\n*1\r\n$1\r\na\r\n"
    assert _query(subject, _command("NOSUCH")) == b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
    assert subject.service.query(encode_operation(Versions([(0, b"a")])), subject.context()) is not None


@pytest.mark.parametrize(
    "command",
    ["SET a 2", "GET a|SET a 2", "INCR a", "TIME", "RANDOMKEY", "SRANDMEMBER s", "SPOP s", "HRANDFIELD h", "FLUSHALL"],
)
def test_a_query_leaves_writes_time_and_chance_to_be_ordered(command: str, subject: Any) -> None:
    subject.ask("SET", "a", 1)
    commands = b"".join(_command(*one.split()) for one in command.split("|"))

    assert _query(subject, commands) is None
    assert subject.ask("GET", "a") == b"$1\r\n1\r\n"


def test_a_query_leaves_transactions_and_garbage_to_be_ordered(subject: Any) -> None:
    transaction = encode_operation(Transaction(0, 2, _command("GET", "a"), []))

    assert subject.service.query(transaction, subject.context()) is None
    assert subject.service.query(b"garbage", subject.context()) is None
    assert _query(subject, b"garbage") is None


@pytest.mark.parametrize(
    "commands",
    [
        b"PING\r\n",
        b"+PING\r\n",
        b"*1\r\n:5\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nPING\r\n$-1\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*1\r\n$4\r\nPING",
        b"*2\r\n$4\r\nPING\r\n",
        b"*1\r\n$100\r\nPING\r\n",
        b"*1\r\n$999999999999\r\nPING\r\n",
        b"*1000000000\r\n$4\r\nPING\r\n",
        b"*4294967295\r\n",
        b"*1\r\n%4294967295\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        b"(" + b"1" * 10000 + b"\r\n",
        b",nonsense\r\n",
        b"\x00",
    ],
)
def test_bytes_that_are_no_commands_get_one_error_and_run_nothing(commands: bytes, subject: Any) -> None:
    """And the next operation is not disturbed by them."""
    assert subject.run(_command("SET", "a", 1) + commands) == _GARBAGE_IN
    assert subject.run(commands + _command("SET", "a", 1)) == _GARBAGE_IN
    assert subject.run(_command("GET", "a")) == b"$-1\r\n"


def test_a_large_number_of_arguments_is_no_garbage(subject: Any) -> None:
    """What looks like a bomb to the parser is looked at, and let through when it is none."""
    assert subject.ask("ECHO", "\r\n*1000000000\r\n") == b"$15\r\n\r\n*1000000000\r\n\r\n"


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    """As an operation, and as the commands of one."""
    from quorate.core.ports import Context

    service, context = RedisService(), Context(bytes(32), 1, bytes(32), 1)

    assert service.execute(data, context)
    if data:
        assert service.execute(encode_operation(Pipeline(0, 2, data)), context)
    assert service.execute(encode_operation(Pipeline(0, 2, _PING)), context) == b"+PONG\r\n"


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\xa1P\x10\x02\xc4\x00", b"\x93\xa1P\x00\x04\xc4\x00", b"\x90"])
def test_undecodable_operations_are_errors(data: bytes, subject: Any) -> None:
    """A database or a protocol that does not exist, too."""
    with pytest.raises(MalformedMessage):
        decode_operation(data)
    assert subject.service.execute(data, subject.context()).startswith(b"-ERR not a Redis operation")


def test_undecodable_versions_are_errors() -> None:
    with pytest.raises(MalformedMessage):
        decode_versions(b"-ERR some error\r\n")


_SHAPES = """
SADD set {}
SPOP set
SPOP set 3
SRANDMEMBER set 3
SRANDMEMBER set -3
SMEMBERS set
HSET hash {} {}
HDEL hash {}
HRANDFIELD hash 2 WITHVALUES
HGETALL hash
ZADD zset {} {}
ZRANDMEMBER zset -2
LPUSH list {}
LRANGE list 0 -1
SET {} {}
SET {} {} PX 3
DEL {}
RANDOMKEY
KEYS *
SCAN 0
DBSIZE
TIME
"""


def _random_commands(count: int) -> list[list[str]]:
    """Commands that involve chance, order and time."""
    source = random.Random(7)
    shapes = _SHAPES.strip().splitlines()
    return [source.choice(shapes).replace("{}", f"{source.randrange(30)}").split() for _ in range(count)]


def test_two_services_are_one(new_subject: Any) -> None:
    """Same operations, times and seeds: same answers, chance included, and same digests."""
    one, other = new_subject(), new_subject()
    for number, command in enumerate(_random_commands(2000)):
        one.time += 1000
        other.time += 1000
        assert one.ask(*command) == other.ask(*command)
        if number % 100 == 0:
            assert one.checkpoint(number) == other.checkpoint(number)


def test_an_installed_service_goes_on_as_the_original(new_subject: Any) -> None:
    """The orders of keys and of elements, chance and deadlines are the same at a replica that fetched its state."""
    one = new_subject()
    commands = _random_commands(1500)
    for command in commands[:500]:
        one.time += 1000
        one.ask(*command)
    other = one.successor()
    assert other.service.next_deadline() == one.service.next_deadline()
    for command in commands[500:]:
        one.time += 1000
        other.time += 1000
        assert one.ask(*command) == other.ask(*command)

    assert one.checkpoint(2) == other.checkpoint(2)


def test_a_renamed_value_leaves_the_checkpoint_alone(subject: Any) -> None:
    """Changing a value under its new key must not reach the checkpoint that holds it under the old one."""
    subject.ask("RPUSH", "old", 1)
    digest = subject.checkpoint(1)
    before = leaves_of(subject.service, 1, digest)
    subject.ask("RENAME", "old", "new")
    subject.ask("RPUSH", "new", 2)

    assert leaves_of(subject.service, 1, digest) == before


def test_a_copied_value_is_another(subject: Any) -> None:
    subject.ask("RPUSH", "one", 1)
    subject.ask("COPY", "one", "two")
    subject.ask("RPUSH", "two", 2)

    assert subject.ask("LLEN", "one") == b":1\r\n"
    assert subject.ask("LLEN", "two") == b":2\r\n"

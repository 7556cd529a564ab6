"""Clients that may use some keys only: as Redis' ACL does it, and stricter where a command looks at all keys."""

from __future__ import annotations

import pytest

from quorate.core.ports import Context
from quorate.services.redis import RedisService
from quorate.services.redis.catalogue import COMMANDS
from quorate.services.redis.command import NO_KEYS
from quorate.services.redis.operation import Pipeline, Transaction, Versions, Watched, encode_operation
from quorate.services.redis.permission import COUNTED_KEYS, OF_ALL_KEYS, WITHOUT_KEYS, keys_of

KEY_REFUSED = b"-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"
PREFIXES = (b"a:", b"b:")


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


def context(prefixes: tuple[bytes, ...] = PREFIXES) -> Context:
    return Context(b"c" * 32, 1_000_000, b"s" * 32, 1, prefixes)


def execute(service: RedisService, *words: str, prefixes: tuple[bytes, ...] = PREFIXES) -> bytes:
    return service.execute(encode_operation(Pipeline(0, 2, command(*words))), context(prefixes))


def test_every_command_says_which_keys_it_uses() -> None:
    """A command that is added has to stand in one of these places."""
    placed = {name for name, known in COMMANDS.items() if known.keys != NO_KEYS and name not in COUNTED_KEYS}
    named = [OF_ALL_KEYS, WITHOUT_KEYS, set(COUNTED_KEYS), {"object"}, placed]
    assert sum(map(len, named)) == len(COMMANDS)
    assert set().union(*named) == set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("GET k", "k"),
        ("SET k v EX 5", "k"),
        ("MSET k1 v k2 v", "k1 k2"),
        ("DEL k1 k2 k3", "k1 k2 k3"),
        ("RENAME k1 k2", "k1 k2"),
        ("ZUNIONSTORE d 2 k1 k2 WEIGHTS 1 2", "d k1 k2"),
        ("ZINTER 2 k1 k2 WITHSCORES", "k1 k2"),
        ("SINTERCARD 1 k LIMIT 5", "k"),
        ("SINTERCARD x k", ""),
        ("SINTERCARD -1 k", ""),
        ("ZDIFFSTORE d 9 k1 k2", "d k1 k2"),
        ("OBJECT ENCODING k", "k"),
        ("OBJECT HELP", ""),
        ("PING", ""),
        ("SMOVE k1 k2 member", "k1 k2"),
    ],
)
def test_the_keys_of_a_command(words: str, keys: str) -> None:
    arguments = words.encode().split()
    assert keys_of(COMMANDS[words.split()[0].lower()], arguments) == keys.encode().split()


def test_only_keys_with_its_prefixes() -> None:
    service = RedisService()
    assert execute(service, "SET", "a:1", "x") == b"+OK\r\n"
    assert execute(service, "GET", "b:1") == b"$-1\r\n"
    for words in ("SET c x", "GET A:1", "MSET a:1 y c y", "COPY a:1 c", "EXISTS a:1 c", "OBJECT ENCODING c"):
        assert execute(service, *words.split()) == KEY_REFUSED
    assert execute(service, "GET", "a:1", prefixes=()) == b"$1\r\nx\r\n"
    assert execute(service, "DBSIZE", prefixes=()) == b":1\r\n"


@pytest.mark.parametrize("words", ["FLUSHALL", "FLUSHDB", "KEYS a:*", "RANDOMKEY", "SCAN 0"])
def test_nothing_that_looks_at_all_keys(words: str) -> None:
    service = RedisService()
    execute(service, "SET", "secret", "x", prefixes=())
    name = words.split()[0].lower()
    refusal = f"-NOPERM this user has no permissions to run the '{name}' command\r\n".encode()
    assert execute(service, *words.split()) == refusal
    assert execute(service, "EXISTS", "secret", prefixes=()) == b":1\r\n"


def test_each_command_of_a_pipeline_and_of_a_transaction_is_judged() -> None:
    service = RedisService()
    commands = command("SET", "a:1", "x") + command("SET", "c", "x") + command("GET", "a:1")
    expected = b"+OK\r\n" + KEY_REFUSED + b"$1\r\nx\r\n"
    assert service.execute(encode_operation(Pipeline(0, 2, commands)), context()) == expected
    assert service.execute(encode_operation(Transaction(0, 2, commands, [])), context()) == b"*3\r\n" + expected


def test_versions_of_other_keys_are_not_told() -> None:
    """WATCH asks for them, and EXEC compares them."""
    service = RedisService()
    assert service.execute(encode_operation(Versions([(0, b"a:1"), (0, b"c")])), context()) == KEY_REFUSED
    transaction = Transaction(0, 2, command("GET", "a:1"), [Watched(0, b"c", 0)])
    assert service.execute(encode_operation(transaction), context()) == KEY_REFUSED


def test_a_query_is_judged_too() -> None:
    service = RedisService()
    assert service.query(encode_operation(Pipeline(0, 2, command("GET", "c"))), context()) == KEY_REFUSED
    assert service.query(encode_operation(Versions([(0, b"c")])), context()) is None


@pytest.mark.parametrize(
    ("words", "reads"),
    [("GET k", True), ("TTL k", True), ("SET k v", False), ("GETEX k PERSIST", False), ("NONE", True), ("GET", True)],
)
def test_what_only_reads(words: str, reads: bool) -> None:
    """Whatever its answer depends on; an error changes nothing."""
    service = RedisService()
    assert service.only_reads(encode_operation(Pipeline(0, 2, command(*words.split())))) is reads
    both = command(*words.split()) + command("GET", "k")
    assert service.only_reads(encode_operation(Transaction(0, 2, both, []))) is reads
    assert service.only_reads(b"no operation")
    assert service.only_reads(encode_operation(Versions([(0, b"c")])))

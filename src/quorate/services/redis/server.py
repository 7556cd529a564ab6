"""Commands on the server as a whole. What they answer is equal at all replicas: nothing about a process."""

from __future__ import annotations

from quorate.services.redis.command import NO_KEYS, Call, Command, Kind
from quorate.services.redis.errors import SYNTAX, CommandError, unknown_subcommand, wrong_arity
from quorate.services.redis.glob import matcher
from quorate.services.redis.keys import database_argument
from quorate.services.redis.operation import DATABASES
from quorate.services.redis.reply import OK, bulk, bulks, integer

REDIS_VERSION = "7.0.15"
"""The version whose commands, replies and errors these are."""

_LONGEST_ARGUMENT = b"proto-max-bulk-len"
_SETTINGS = {
    b"appendfsync": b"everysec",
    b"appendonly": b"no",
    b"databases": b"%d" % DATABASES,
    b"maxmemory": b"0",
    b"maxmemory-policy": b"noeviction",
    b"notify-keyspace-events": b"",
    _LONGEST_ARGUMENT: b"",
    b"save": b"",
    b"timeout": b"0",
}


def ping(call: Call, arguments: list[bytes]) -> bytes:
    """PING [message]"""
    if len(arguments) > 2:
        raise wrong_arity("ping")
    return bulk(arguments[1]) if len(arguments) == 2 else b"+PONG\r\n"


def echo(call: Call, arguments: list[bytes]) -> bytes:
    """ECHO message"""
    return bulk(arguments[1])


def select(call: Call, arguments: list[bytes]) -> bytes:
    """SELECT index: for the rest of the operation. The gateway remembers it for the connection."""
    call.database = database_argument(call, arguments[1])
    return OK


def time(call: Call, arguments: list[bytes]) -> bytes:
    """TIME: the agreed time."""
    seconds, microseconds = divmod(call.microseconds, 1_000_000)
    return bulks([b"%d" % seconds, b"%d" % microseconds])


def dbsize(call: Call, arguments: list[bytes]) -> bytes:
    """DBSIZE"""
    call.database.settle()
    return integer(len(call.database.table))


def flushdb(call: Call, arguments: list[bytes]) -> bytes:
    """FLUSHDB [ASYNC | SYNC]"""
    _check_flush_mode(arguments)
    call.database.clear()
    return OK


def flushall(call: Call, arguments: list[bytes]) -> bytes:
    """FLUSHALL [ASYNC | SYNC]"""
    _check_flush_mode(arguments)
    for database in call.keyspace.databases:
        database.clear()
    return OK


def _check_flush_mode(arguments: list[bytes]) -> None:
    if len(arguments) > 2 or (len(arguments) == 2 and arguments[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(SYNTAX)


def config(call: Call, arguments: list[bytes]) -> bytes:
    """CONFIG GET parameter [parameter ...]: a few settings that clients ask for; none can be changed."""
    subcommand = arguments[1].lower()
    if subcommand == b"help":
        return bulks([b"CONFIG GET <pattern>"])
    if subcommand != b"get":
        raise unknown_subcommand("config", arguments[1])
    if len(arguments) < 3:
        raise wrong_arity("config|get")
    patterns = [matcher(pattern.lower()) for pattern in arguments[2:]]
    settings = _SETTINGS | {_LONGEST_ARGUMENT: b"%d" % call.limits.longest_argument}
    names = [name for name in settings if any(matches(name) for matches in patterns)]
    return call.dialect.map([part for name in names for part in (name, settings[name])])


def info(call: Call, arguments: list[bytes]) -> bytes:
    """INFO [section ...]"""
    asked = {argument.lower() for argument in arguments[1:]} or {b"default"}
    everything = asked & {b"default", b"all", b"everything"}
    sections = {b"server": _server, b"persistence": _persistence, b"replication": _replication, b"keyspace": _keyspace}
    chosen = [describe(call) for name, describe in sections.items() if everything or name in asked]
    return call.dialect.text("\r\n".join(chosen).encode())


def _section(title: str, **facts: object) -> str:
    return f"# {title}\r\n" + "".join(f"{name}:{fact}\r\n" for name, fact in facts.items())


def _server(call: Call) -> str:
    return _section("Server", redis_version=REDIS_VERSION, redis_mode="standalone", server_name="quorate")


def _persistence(call: Call) -> str:
    # Clients wait until a server has finished loading.
    return _section("Persistence", loading=0)


def _replication(call: Call) -> str:
    return _section("Replication", role="master", connected_slaves=0)


def _keyspace(call: Call) -> str:
    facts = {}
    for database in call.keyspace.databases:
        database.settle()
        if keys := len(database.table):
            facts[f"db{database.number}"] = f"keys={keys},expires={len(database.deadlines)},avg_ttl=0"
    return _section("Keyspace", **facts)


COMMANDS: list[Command] = [
    Command("config", config, -2, Kind.READ, NO_KEYS),
    Command("dbsize", dbsize, 1, Kind.READ, NO_KEYS),
    Command("echo", echo, 2, Kind.READ, NO_KEYS),
    Command("flushall", flushall, -1, Kind.WRITE, NO_KEYS),
    Command("flushdb", flushdb, -1, Kind.WRITE, NO_KEYS),
    Command("info", info, -1, Kind.READ, NO_KEYS),
    Command("ping", ping, -1, Kind.READ, NO_KEYS),
    Command("select", select, 2, Kind.READ, NO_KEYS),
    Command("time", time, 1, Kind.READ | Kind.UNSTEADY, NO_KEYS),
]

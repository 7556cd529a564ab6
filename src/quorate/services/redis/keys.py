"""Commands on keys, whatever they hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from quorate.services.redis.arguments import range_argument
from quorate.services.redis.command import ALL_KEYS, NO_KEYS, TWO_KEYS, Call, Command, Kind
from quorate.services.redis.errors import (
    DATABASE_OUT_OF_RANGE,
    NO_SUCH_KEY,
    SAME_OBJECT,
    SYNTAX,
    CommandError,
    unknown_subcommand,
    wrong_arity,
)
from quorate.services.redis.keyspace import Database
from quorate.services.redis.numbers import parse_integer
from quorate.services.redis.operation import DATABASES
from quorate.services.redis.reply import OK, ONE, ZERO, bulk, bulks, integer
from quorate.services.redis.sorted_set import SortedSet
from quorate.services.redis.values import Entry, EntryCodec, MemberSet, type_name

_CANDIDATES = 16
"""Among so many neighbours RANDOMKEY chooses, so that the gaps between keys matter little."""


def delete(call: Call, arguments: list[bytes]) -> bytes:
    """DEL key [key ...]"""
    database = call.database
    return integer(sum(database.find(key) is not None and database.delete(key) for key in arguments[1:]))


def exists(call: Call, arguments: list[bytes]) -> bytes:
    """EXISTS key [key ...]"""
    return integer(sum(call.database.find(key) is not None for key in arguments[1:]))


def type_(call: Call, arguments: list[bytes]) -> bytes:
    """TYPE key"""
    entry = call.database.find(arguments[1])
    return b"+%b\r\n" % (type_name(entry.value) if entry else b"none")


def rename(call: Call, arguments: list[bytes]) -> bytes:
    """RENAME key newkey"""
    _, source, target = arguments
    if call.database.find(source) is None:
        raise CommandError(NO_SUCH_KEY)
    if source != target:
        _move(call.database, source, call.database, target)
    return OK


def renamenx(call: Call, arguments: list[bytes]) -> bytes:
    """RENAMENX key newkey"""
    _, source, target = arguments
    if call.database.find(source) is None:
        raise CommandError(NO_SUCH_KEY)
    if call.database.find(target) is not None:
        return ZERO
    _move(call.database, source, call.database, target)
    return ONE


def _move(source: Database, key: bytes, target: Database, new_key: bytes) -> None:
    entry = source.take(key)
    if entry is not None:
        target.put(new_key, entry.value, entry.deadline)


def move(call: Call, arguments: list[bytes]) -> bytes:
    """MOVE key db"""
    _, key, number = arguments
    target = database_argument(call, number)
    if target is call.database:
        raise CommandError(SAME_OBJECT)
    if call.database.find(key) is None or target.find(key) is not None:
        return ZERO
    _move(call.database, key, target, key)
    return ONE


def database_argument(call: Call, text: bytes) -> Database:
    """The database with a number."""
    number = range_argument(text, -(1 << 31), (1 << 31) - 1)
    if not 0 <= number < DATABASES:
        raise CommandError(DATABASE_OUT_OF_RANGE)
    return call.keyspace.databases[number]


def copy(call: Call, arguments: list[bytes]) -> bytes:
    """COPY source destination [DB number] [REPLACE]"""
    _, source, target, *rest = arguments
    database, replace = call.database, False
    options = iter(rest)
    for option in options:
        if option.upper() == b"REPLACE":
            replace = True
        elif option.upper() == b"DB" and (number := next(options, None)) is not None:
            database = database_argument(call, number)
        else:
            raise CommandError(SYNTAX)
    if database is call.database and source == target:
        raise CommandError(SAME_OBJECT)
    entry = call.database.find(source)
    if entry is None or (database.find(target) is not None and not replace):
        return ZERO
    twin = EntryCodec().copy(entry)
    database.put(target, twin.value, twin.deadline)
    return ONE


def randomkey(call: Call, arguments: list[bytes]) -> bytes:
    """RANDOMKEY"""
    call.database.settle()
    found = call.database.table.sample(call.choices.below(1 << 64), _CANDIDATES)
    return bulk(found[call.choices.below(len(found))]) if found else call.dialect.null


def object_(call: Call, arguments: list[bytes]) -> bytes:
    """OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key"""
    subcommand = arguments[1].lower()
    if subcommand == b"help":
        return bulks([b"OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key"])
    if subcommand not in (b"encoding", b"freq", b"idletime", b"refcount"):
        raise unknown_subcommand("object", arguments[1])
    if len(arguments) != 3:
        raise wrong_arity(f"object|{subcommand.decode()}")
    entry = call.database.find(arguments[2])
    if entry is None:
        return call.dialect.null
    match subcommand:
        case b"encoding":
            return bulk(_encoding(entry))
        case b"refcount":
            return ONE
        case b"idletime":
            return ZERO  # when a key was read last is not replicated
        case _:
            raise CommandError(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
                "when switching between policies at runtime LRU and LFU data will take some time to adjust."
            )


_SHORT_STRING, _EMBEDDED_STRING = 20, 44
_LISTPACK_VALUE = 64
_HASH_LISTPACK_ENTRIES, _SORTED_SET_LISTPACK_ENTRIES = 512, 128
_INTSET_ENTRIES = 512


def _encoding(entry: Entry) -> bytes:
    """How redis-server would store a value of such contents if it had just been made."""
    value = entry.value
    if isinstance(value, bytes):
        if len(value) <= _SHORT_STRING and parse_integer(value) is not None:
            return b"int"
        return b"embstr" if len(value) <= _EMBEDDED_STRING else b"raw"
    if isinstance(value, deque):
        return b"quicklist"
    if isinstance(value, MemberSet):
        is_small = len(value) <= _INTSET_ENTRIES
        return b"intset" if is_small and all(map(_is_integer, value.members)) else b"hashtable"
    if isinstance(value, SortedSet):
        is_small = len(value) <= _SORTED_SET_LISTPACK_ENTRIES and _are_short(value.scores)
        return b"listpack" if is_small else b"skiplist"
    is_small = len(value) <= _HASH_LISTPACK_ENTRIES and _are_short(value) and _are_short(value.values())
    return b"listpack" if is_small else b"hashtable"


def _is_integer(text: bytes) -> bool:
    return parse_integer(text) is not None


def _are_short(texts: Iterable[bytes]) -> bool:
    return max(map(len, texts), default=0) <= _LISTPACK_VALUE


COMMANDS: list[Command] = [
    Command("copy", copy, -3, Kind.WRITE, TWO_KEYS),
    Command("del", delete, -2, Kind.WRITE, ALL_KEYS),
    Command("exists", exists, -2, Kind.READ, ALL_KEYS),
    Command("move", move, 3, Kind.WRITE),
    Command("object", object_, -2, Kind.READ, NO_KEYS),
    Command("randomkey", randomkey, 1, Kind.READ | Kind.UNSTEADY, NO_KEYS),
    Command("rename", rename, 3, Kind.WRITE, TWO_KEYS),
    Command("renamenx", renamenx, 3, Kind.WRITE, TWO_KEYS),
    Command("touch", exists, -2, Kind.READ, ALL_KEYS),
    Command("type", type_, 2, Kind.READ),
    Command("unlink", delete, -2, Kind.WRITE, ALL_KEYS),
]

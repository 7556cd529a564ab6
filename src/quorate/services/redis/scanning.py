"""KEYS and the SCAN family.

SCAN follows the table's order, which does not move: a cursor is the number of the leaf to go on with. The elements
of a hash or a set are scanned from the last to the first: both move elements towards the front only when others are
removed, so none is missed. A sorted set, whose members move both ways, is given whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from quorate.services.redis.arguments import integer_argument
from quorate.services.redis.command import NO_KEYS, Call, Command, Kind
from quorate.services.redis.errors import SYNTAX, CommandError
from quorate.services.redis.glob import Matcher, matcher
from quorate.services.redis.keyspace import Database
from quorate.services.redis.limits import LONGEST_SCAN_COUNT
from quorate.services.redis.reply import array, bulk, bulks, double_text
from quorate.services.redis.sorted_set import SortedSet
from quorate.services.redis.values import MemberSet, type_name

_DEFAULT_COUNT = 10
_GIVEN_WHOLE = 512
"""Hashes and sets up to this size are given in one step, as Redis does with small ones."""
_LARGEST_CURSOR = (1 << 64) - 1
_is_number = re.compile(rb"[+-]?[0-9]{1,40}").fullmatch


class _Options(NamedTuple):
    cursor: int
    wanted: int = _DEFAULT_COUNT
    matches: Matcher | None = None
    type_name: bytes | None = None

    def selected(self, names: list[bytes]) -> list[bytes]:
        """Those that match."""
        matches = self.matches
        return names if matches is None else [name for name in names if matches(name)]


def _cursor_argument(text: bytes) -> int:
    """As C's strtoul: with a sign if one likes, modulo 2**64, and nothing is 0."""
    if not text:
        return 0
    if not _is_number(text) or abs(cursor := int(text)) > _LARGEST_CURSOR:
        raise CommandError("ERR invalid cursor")
    return cursor & _LARGEST_CURSOR


def _options(cursor: int, arguments: list[bytes], allow_type: bool = False) -> _Options:
    options = _Options(cursor)
    for name, value in zip(arguments[::2], [*arguments[1::2], None], strict=False):
        match name.upper(), value:
            case b"COUNT", bytes():
                count = integer_argument(value)
                if count < 1:
                    raise CommandError(SYNTAX)
                options = options._replace(wanted=min(count, LONGEST_SCAN_COUNT))
            case b"MATCH", bytes():
                options = options._replace(matches=None if value == b"*" else matcher(value))
            case b"TYPE", bytes() if allow_type:
                options = options._replace(type_name=value.lower())
            case _:
                raise CommandError(SYNTAX)
    return options


def _step(cursor: int, elements: list[bytes]) -> bytes:
    return array([bulk(b"%d" % cursor), bulks(elements)])


def keys(call: Call, arguments: list[bytes]) -> bytes:
    """KEYS pattern"""
    call.database.settle()
    if arguments[1] == b"*":
        return bulks(list(call.database.table))
    matches = matcher(arguments[1])
    return bulks([key for key in call.database.table if matches(key)])


def scan(call: Call, arguments: list[bytes]) -> bytes:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]"""
    options = _options(_cursor_argument(arguments[1]), arguments[2:], allow_type=True)
    call.database.settle()
    cursor, found = call.database.table.scan(options.cursor, options.wanted)
    found = options.selected(found)
    if options.type_name is not None:
        found = [key for key in found if _type_of(call.database, key) == options.type_name]
    return _step(cursor, found)


def _type_of(database: Database, key: bytes) -> bytes:
    entry = database.find(key)
    return type_name(entry.value) if entry else b"none"


def _backward(names: Sequence[bytes], options: _Options) -> tuple[int, Sequence[bytes]]:
    """The elements of one step from the last to the first; the cursor is how many are left."""
    if len(names) <= _GIVEN_WHOLE:
        return 0, names
    stop = min(options.cursor or len(names), len(names))
    start = max(stop - options.wanted, 0)
    return start, names[start:stop]


def hscan(call: Call, arguments: list[bytes]) -> bytes:
    """HSCAN key cursor [MATCH pattern] [COUNT count]"""
    cursor = _cursor_argument(arguments[2])
    value = call.database.read(arguments[1], dict)
    if value is None:
        return _step(0, [])
    options = _options(cursor, arguments[3:])
    cursor, fields = _backward(list(value), options)
    return _step(cursor, [part for field in options.selected(list(fields)) for part in (field, value[field])])


def sscan(call: Call, arguments: list[bytes]) -> bytes:
    """SSCAN key cursor [MATCH pattern] [COUNT count]"""
    cursor = _cursor_argument(arguments[2])
    value = call.database.read(arguments[1], MemberSet)
    if value is None:
        return _step(0, [])
    options = _options(cursor, arguments[3:])
    cursor, members = _backward(value.members, options)
    return _step(cursor, options.selected(list(members)))


def zscan(call: Call, arguments: list[bytes]) -> bytes:
    """ZSCAN key cursor [MATCH pattern] [COUNT count]"""
    cursor = _cursor_argument(arguments[2])
    value = call.database.read(arguments[1], SortedSet)
    if value is None:
        return _step(0, [])
    options = _options(cursor, arguments[3:])
    members = options.selected([member for _, member in value.ordered])
    return _step(0, [part for member in members for part in (member, double_text(value.scores[member]))])


COMMANDS: list[Command] = [
    Command("hscan", hscan, -3, Kind.READ),
    Command("keys", keys, 2, Kind.READ, NO_KEYS),
    Command("scan", scan, -2, Kind.READ, NO_KEYS),
    Command("sscan", sscan, -3, Kind.READ),
    Command("zscan", zscan, -3, Kind.READ),
]

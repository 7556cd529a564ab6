"""Commands on strings: bytes, and the numbers that they may spell."""

from __future__ import annotations

from quorate.services.redis.arguments import integer_argument
from quorate.services.redis.command import Call, Command, Kind
from quorate.services.redis.errors import OVERFLOW, WRONG_TYPE, CommandError
from quorate.services.redis.numbers import INTEGER_MAX, INTEGER_MIN
from quorate.services.redis.reply import OK, bulk, integer


def get(call: Call, arguments: list[bytes]) -> bytes:
    """GET key"""
    entry = call.database.find(arguments[1])
    if entry is None:
        return call.dialect.null
    value = entry.value
    if type(value) is not bytes:
        raise CommandError(WRONG_TYPE)
    return bulk(value)


def set_(call: Call, arguments: list[bytes]) -> bytes:
    """SET key value"""
    call.database.put(arguments[1], arguments[2])
    return OK


def add(call: Call, key: bytes, amount: int) -> bytes:
    """Add to the integer that a string spells."""
    text = call.database.read(key, bytes)
    value = amount if text is None else integer_argument(text) + amount
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise CommandError(OVERFLOW)
    call.database.replace(key, b"%d" % value)
    return integer(value)


def increment(call: Call, arguments: list[bytes]) -> bytes:
    """INCR key"""
    return add(call, arguments[1], 1)


COMMANDS = [
    Command("get", get, 2, Kind.READ),
    Command("incr", increment, 2, Kind.WRITE),
    Command("set", set_, -3, Kind.WRITE),
]

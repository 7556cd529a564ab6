"""Commands on hashes."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.services.redis.arguments import integer_argument, random_count_argument
from quorate.services.redis.command import Call, Command, Kind
from quorate.services.redis.errors import (
    NOT_A_FLOAT,
    OVERFLOW,
    CommandError,
    wrong_arity,
)
from quorate.services.redis.numbers import INTEGER_MAX, INTEGER_MIN, parse_long_double
from quorate.services.redis.reply import EMPTY_ARRAY, OK, ONE, ZERO, array, bulk, bulks, integer
from quorate.services.redis.strings import add_long_double
from quorate.services.redis.values import Hash


def _read(call: Call, key: bytes) -> Hash:
    """The hash to look at, an empty one when the key is absent."""
    return call.database.read(key, dict) or {}


def _set(call: Call, arguments: list[bytes], command: str) -> int:
    """Set fields; say how many are new."""
    if len(arguments) % 2:
        raise wrong_arity(command)
    fields = call.database.change_or_create(arguments[1], dict)
    before = len(fields)
    fields.update(zip(arguments[2::2], arguments[3::2], strict=True))
    return len(fields) - before


def hset(call: Call, arguments: list[bytes]) -> bytes:
    """HSET key field value [field value ...]"""
    return integer(_set(call, arguments, "hset"))


def hmset(call: Call, arguments: list[bytes]) -> bytes:
    """HMSET key field value [field value ...]"""
    _set(call, arguments, "hmset")
    return OK


def hsetnx(call: Call, arguments: list[bytes]) -> bytes:
    """HSETNX key field value"""
    _, key, field, value = arguments
    if field in _read(call, key):
        return ZERO
    call.database.change_or_create(key, dict)[field] = value
    return ONE


def hget(call: Call, arguments: list[bytes]) -> bytes:
    """HGET key field"""
    value = _read(call, arguments[1]).get(arguments[2])
    return call.dialect.null if value is None else bulk(value)


def hmget(call: Call, arguments: list[bytes]) -> bytes:
    """HMGET key field [field ...]"""
    values = map(_read(call, arguments[1]).get, arguments[2:])
    null = call.dialect.null
    return array(null if value is None else bulk(value) for value in values)


def hgetall(call: Call, arguments: list[bytes]) -> bytes:
    """HGETALL key"""
    return call.dialect.map(_flat(list(_read(call, arguments[1]).items())))


def _flat(pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    return [part for pair in pairs for part in pair]


def hkeys(call: Call, arguments: list[bytes]) -> bytes:
    """HKEYS key"""
    return bulks(list(_read(call, arguments[1])))


def hvals(call: Call, arguments: list[bytes]) -> bytes:
    """HVALS key"""
    return bulks(list(_read(call, arguments[1]).values()))


def hlen(call: Call, arguments: list[bytes]) -> bytes:
    """HLEN key"""
    return integer(len(_read(call, arguments[1])))


def hexists(call: Call, arguments: list[bytes]) -> bytes:
    """HEXISTS key field"""
    return ONE if arguments[2] in _read(call, arguments[1]) else ZERO


def hstrlen(call: Call, arguments: list[bytes]) -> bytes:
    """HSTRLEN key field"""
    return integer(len(_read(call, arguments[1]).get(arguments[2], b"")))


def hdel(call: Call, arguments: list[bytes]) -> bytes:
    """HDEL key field [field ...]"""
    key = arguments[1]
    present = _read(call, key)
    doomed = {field: None for field in arguments[2:] if field in present}
    if doomed and (fields := call.database.change(key, dict)) is not None:
        for field in doomed:
            del fields[field]
        call.database.delete_if_empty(key, fields)
    return integer(len(doomed))


def hincrby(call: Call, arguments: list[bytes]) -> bytes:
    """HINCRBY key field increment"""
    _, key, field, amount = arguments
    increment = integer_argument(amount)
    present = _read(call, key).get(field, b"0")
    value = integer_argument(present, "ERR hash value is not an integer") + increment
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise CommandError(OVERFLOW)
    call.database.change_or_create(key, dict)[field] = b"%d" % value
    return integer(value)


def hincrbyfloat(call: Call, arguments: list[bytes]) -> bytes:
    """HINCRBYFLOAT key field increment"""
    _, key, field, amount = arguments
    increment = parse_long_double(amount)
    if increment is None:
        raise CommandError(NOT_A_FLOAT)
    if isinstance(increment, float):
        raise CommandError("ERR value is NaN or Infinity")
    present = _read(call, key).get(field, b"0")
    value = add_long_double(present, amount, "ERR hash value is not a float")
    call.database.change_or_create(key, dict)[field] = value
    return bulk(value)


def hrandfield(call: Call, arguments: list[bytes]) -> bytes:
    """HRANDFIELD key [count [WITHVALUES]]"""
    key = arguments[1]
    if len(arguments) == 2:
        names = list(_read(call, key))
        return bulk(names[call.choices.below(len(names))]) if names else call.dialect.null
    count, with_values = random_count_argument(arguments[2], arguments[3:], b"WITHVALUES")
    pairs = list(_read(call, key).items())
    if not pairs:
        return EMPTY_ARRAY
    chosen = [pairs[place] for place in call.choices.places(len(pairs), count)]
    if with_values:
        return call.dialect.pairs(_flat(chosen))
    return bulks([field for field, _ in chosen])


COMMANDS: list[Command] = [
    Command("hdel", hdel, -3, Kind.WRITE),
    Command("hexists", hexists, 3, Kind.READ),
    Command("hget", hget, 3, Kind.READ),
    Command("hgetall", hgetall, 2, Kind.READ),
    Command("hincrby", hincrby, 4, Kind.WRITE),
    Command("hincrbyfloat", hincrbyfloat, 4, Kind.WRITE),
    Command("hkeys", hkeys, 2, Kind.READ),
    Command("hlen", hlen, 2, Kind.READ),
    Command("hmget", hmget, -3, Kind.READ),
    Command("hmset", hmset, -4, Kind.WRITE),
    Command("hrandfield", hrandfield, -2, Kind.READ | Kind.UNSTEADY),
    Command("hset", hset, -4, Kind.WRITE),
    Command("hsetnx", hsetnx, 4, Kind.WRITE),
    Command("hstrlen", hstrlen, 3, Kind.READ),
    Command("hvals", hvals, 2, Kind.READ),
]

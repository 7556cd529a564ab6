"""Commands on strings: bytes, and the numbers that they may spell."""

from __future__ import annotations

from fractions import Fraction

from quorate.services.redis.arguments import integer_argument, substring_of
from quorate.services.redis.command import ALL_KEYS, Call, Command, Handler, Keys, Kind
from quorate.services.redis.errors import (
    NAN_OR_INFINITY,
    NOT_A_FLOAT,
    OVERFLOW,
    STRING_TOO_LONG,
    SYNTAX,
    WRONG_TYPE,
    CommandError,
    wrong_arity,
)
from quorate.services.redis.expiration import (
    DEADLINE_OPTIONS,
    MILLISECONDS,
    SECONDS,
    TimeFormat,
    deadline_argument,
)
from quorate.services.redis.limits import LONGEST_STRING
from quorate.services.redis.numbers import (
    INTEGER_MAX,
    INTEGER_MIN,
    format_long_double,
    parse_long_double,
    round_long_double,
)
from quorate.services.redis.reply import OK, ONE, ZERO, array, bulk, integer


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
    """SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT time | PXAT time | KEEPTTL]"""
    if len(arguments) == 3:
        call.database.put(arguments[1], arguments[2])
        return OK
    _, key, value, *rest = arguments
    options = _options(rest, {b"NX", b"XX", b"GET", b"KEEPTTL"})
    deadline = _deadline_of(call, options, "set")
    if b"GET" in options:
        reply = refusal = get(call, arguments)
    else:
        reply, refusal = OK, call.dialect.null
    is_present = call.database.find(key) is not None
    if (b"NX" in options and is_present) or (b"XX" in options and not is_present):
        return refusal
    if b"KEEPTTL" in options:
        call.database.replace(key, value)
    else:
        call.database.put(key, value, deadline)
    return reply


_EXCLUSIVE = [{b"NX", b"XX"}, {*DEADLINE_OPTIONS, b"KEEPTTL", b"PERSIST"}]


def _options(arguments: list[bytes], allowed: set[bytes]) -> dict[bytes, bytes]:
    """The options that are there, those that name a deadline with its text."""
    options: dict[bytes, bytes] = {}
    rest = iter(arguments)
    for argument in rest:
        name = argument.upper()
        takes_time = name in DEADLINE_OPTIONS
        time = next(rest, None) if takes_time else b""
        if (name not in allowed and not takes_time) or time is None:
            raise CommandError(SYNTAX)
        if any(name in group and not (options.keys() & group) <= {name} for group in _EXCLUSIVE):
            raise CommandError(SYNTAX)
        options[name] = time
    return options


def _deadline_of(call: Call, options: dict[bytes, bytes], command: str) -> int:
    """The deadline that one of the options asks for, 0 when none does."""
    for name, time in options.items():
        if name in DEADLINE_OPTIONS:
            return deadline_argument(call, time, DEADLINE_OPTIONS[name], command)
    return 0


def getex(call: Call, arguments: list[bytes]) -> bytes:
    """GETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST]"""
    key = arguments[1]
    options = _options(arguments[2:], {b"PERSIST"})
    reply = get(call, arguments)
    entry = call.database.find(key)
    if entry is None or not options:
        return reply
    deadline = _deadline_of(call, options, "getex")
    if deadline and deadline <= call.keyspace.clock.milliseconds:
        call.database.delete(key)
    elif deadline or entry.deadline:
        call.database.set_deadline(key, deadline)
    return reply


def getset(call: Call, arguments: list[bytes]) -> bytes:
    """GETSET key value"""
    reply = get(call, arguments)
    call.database.put(arguments[1], arguments[2])
    return reply


def getdel(call: Call, arguments: list[bytes]) -> bytes:
    """GETDEL key"""
    reply = get(call, arguments)
    call.database.delete(arguments[1])
    return reply


def setnx(call: Call, arguments: list[bytes]) -> bytes:
    """SETNX key value"""
    if call.database.find(arguments[1]) is not None:
        return ZERO
    call.database.put(arguments[1], arguments[2])
    return ONE


def _set_with_deadline(name: str, time_format: TimeFormat) -> Handler:
    def set_with_deadline(call: Call, arguments: list[bytes]) -> bytes:
        """Set a value and how long it lives."""
        _, key, time, value = arguments
        call.database.put(key, value, deadline_argument(call, time, time_format, name))
        return OK

    return set_with_deadline


def mget(call: Call, arguments: list[bytes]) -> bytes:
    """MGET key [key ...]"""
    entries = map(call.database.find, arguments[1:])
    values = [entry.value if entry is not None else None for entry in entries]
    null = call.dialect.null
    return array(bulk(value) if type(value) is bytes else null for value in values)


def mset(call: Call, arguments: list[bytes]) -> bytes:
    """MSET key value [key value ...]"""
    if len(arguments) % 2 == 0:
        raise wrong_arity("mset")
    put = call.database.put
    for key, value in zip(arguments[1::2], arguments[2::2], strict=True):
        put(key, value)
    return OK


def msetnx(call: Call, arguments: list[bytes]) -> bytes:
    """MSETNX key value [key value ...]"""
    if len(arguments) % 2 == 0:
        raise wrong_arity("msetnx")
    if any(call.database.find(key) is not None for key in arguments[1::2]):
        return ZERO
    mset(call, arguments)
    return ONE


def append(call: Call, arguments: list[bytes]) -> bytes:
    """APPEND key value"""
    _, key, suffix = arguments
    value = (call.database.read(key, bytes) or b"") + suffix
    if len(value) > LONGEST_STRING:
        raise CommandError(STRING_TOO_LONG)
    call.database.replace(key, value)
    return integer(len(value))


def strlen(call: Call, arguments: list[bytes]) -> bytes:
    """STRLEN key"""
    return integer(len(call.database.read(arguments[1], bytes) or b""))


def getrange(call: Call, arguments: list[bytes]) -> bytes:
    """GETRANGE key start end"""
    _, key, first, last = arguments
    start, end = integer_argument(first), integer_argument(last)
    value = call.database.read(key, bytes) or b""
    return bulk(value[slice(*substring_of(start, end, len(value)))])


def setrange(call: Call, arguments: list[bytes]) -> bytes:
    """SETRANGE key offset value"""
    _, key, place, part = arguments
    offset = integer_argument(place)
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    value = call.database.read(key, bytes) or b""
    if not part:
        return integer(len(value))
    if offset + len(part) > LONGEST_STRING:
        raise CommandError(STRING_TOO_LONG)
    call.database.replace(key, value[:offset].ljust(offset, b"\0") + part + value[offset + len(part) :])
    return integer(max(len(value), offset + len(part)))


def _add(call: Call, key: bytes, amount: int) -> bytes:
    """Add to the integer that a string spells."""
    text = call.database.read(key, bytes)
    value = amount if text is None else integer_argument(text) + amount
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise CommandError(OVERFLOW)
    call.database.replace(key, b"%d" % value)
    return integer(value)


def incr(call: Call, arguments: list[bytes]) -> bytes:
    """INCR key"""
    return _add(call, arguments[1], 1)


def decr(call: Call, arguments: list[bytes]) -> bytes:
    """DECR key"""
    return _add(call, arguments[1], -1)


def incrby(call: Call, arguments: list[bytes]) -> bytes:
    """INCRBY key increment"""
    return _add(call, arguments[1], integer_argument(arguments[2]))


def decrby(call: Call, arguments: list[bytes]) -> bytes:
    """DECRBY key decrement"""
    amount = integer_argument(arguments[2])
    if amount == INTEGER_MIN:
        raise CommandError("ERR decrement would overflow")
    return _add(call, arguments[1], -amount)


def add_long_double(present: bytes, amount: bytes, not_a_float: str) -> bytes:
    """The decimal text of a sum, for INCRBYFLOAT and HINCRBYFLOAT."""
    numbers = []
    for text, error in ((present, not_a_float), (amount, NOT_A_FLOAT)):
        number = parse_long_double(text)
        if number is None:
            raise CommandError(error)
        numbers.append(number)
    if not all(isinstance(number, Fraction) for number in numbers):
        raise CommandError(NAN_OR_INFINITY)
    total = round_long_double(Fraction(numbers[0]) + Fraction(numbers[1]))
    if total is None:
        raise CommandError(NAN_OR_INFINITY)
    return format_long_double(total)


def incrbyfloat(call: Call, arguments: list[bytes]) -> bytes:
    """INCRBYFLOAT key increment"""
    _, key, amount = arguments
    present = call.database.read(key, bytes)
    value = add_long_double(b"0" if present is None else present, amount, NOT_A_FLOAT)
    call.database.replace(key, value)
    return bulk(value)


_PAIRS = Keys(1, -1, 2)

COMMANDS: list[Command] = [
    Command("append", append, 3, Kind.WRITE),
    Command("decr", decr, 2, Kind.WRITE),
    Command("decrby", decrby, 3, Kind.WRITE),
    Command("get", get, 2, Kind.READ),
    Command("getdel", getdel, 2, Kind.WRITE),
    Command("getex", getex, -2, Kind.WRITE),
    Command("getrange", getrange, 4, Kind.READ),
    Command("getset", getset, 3, Kind.WRITE),
    Command("incr", incr, 2, Kind.WRITE),
    Command("incrby", incrby, 3, Kind.WRITE),
    Command("incrbyfloat", incrbyfloat, 3, Kind.WRITE),
    Command("mget", mget, -2, Kind.READ, ALL_KEYS),
    Command("mset", mset, -3, Kind.WRITE, _PAIRS),
    Command("msetnx", msetnx, -3, Kind.WRITE, _PAIRS),
    Command("psetex", _set_with_deadline("psetex", MILLISECONDS), 4, Kind.WRITE),
    Command("set", set_, -3, Kind.WRITE),
    Command("setex", _set_with_deadline("setex", SECONDS), 4, Kind.WRITE),
    Command("setnx", setnx, 3, Kind.WRITE),
    Command("setrange", setrange, 4, Kind.WRITE),
    Command("strlen", strlen, 2, Kind.READ),
    Command("substr", getrange, 4, Kind.READ),
]

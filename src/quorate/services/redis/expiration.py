"""Commands on the deadlines of keys, and the deadline options of others. Time is the agreed time."""

from __future__ import annotations

from typing import NamedTuple

from quorate.services.redis.arguments import integer_argument
from quorate.services.redis.command import Call, Command, Handler, Kind
from quorate.services.redis.errors import CommandError
from quorate.services.redis.numbers import INTEGER_MAX, INTEGER_MIN
from quorate.services.redis.reply import ONE, ZERO, integer

NO_KEY, NO_DEADLINE = -2, -1


class TimeFormat(NamedTuple):
    """How a command writes a time."""

    unit: int
    """In milliseconds."""
    relative: bool
    """From now on; otherwise since 1970."""


SECONDS, MILLISECONDS = TimeFormat(1000, True), TimeFormat(1, True)
UNIX_SECONDS, UNIX_MILLISECONDS = TimeFormat(1000, False), TimeFormat(1, False)

DEADLINE_OPTIONS = {b"EX": SECONDS, b"PX": MILLISECONDS, b"EXAT": UNIX_SECONDS, b"PXAT": UNIX_MILLISECONDS}
"""The options of SET and GETEX."""


def deadline_argument(call: Call, text: bytes, time_format: TimeFormat, command: str) -> int:
    """A deadline in milliseconds since 1970; the argument is positive."""
    value = integer_argument(text)
    if value <= 0:
        raise _invalid_time(command)
    return _deadline(call, value, time_format, command)


def _deadline(call: Call, value: int, time_format: TimeFormat, command: str) -> int:
    milliseconds = value * time_format.unit
    now = call.keyspace.clock.milliseconds if time_format.relative else 0
    if not INTEGER_MIN <= milliseconds <= INTEGER_MAX - now:
        raise _invalid_time(command)
    return milliseconds + now


def _invalid_time(command: str) -> CommandError:
    return CommandError(f"ERR invalid expire time in '{command}' command")


def _conditions(arguments: list[bytes]) -> set[bytes]:
    """The options of EXPIRE and its like."""
    options = set()
    for argument in arguments:
        if argument.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise CommandError(b"ERR Unsupported option " + argument)
        options.add(argument.upper())
    if b"NX" in options and len(options) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= options:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return options


def _is_wanted(options: set[bytes], present: int, deadline: int) -> bool:
    """Whether the options allow *deadline* after the present one (0: none, which counts as the end of time)."""
    return not (
        (b"NX" in options and present)
        or (b"XX" in options and not present)
        or (b"GT" in options and (not present or deadline <= present))
        or (b"LT" in options and present and deadline >= present)
    )


def _expire(name: str, time_format: TimeFormat) -> Handler:
    def expire(call: Call, arguments: list[bytes]) -> bytes:
        """Set a key's deadline; one that has passed removes the key."""
        key = arguments[1]
        options = _conditions(arguments[3:])
        deadline = _deadline(call, integer_argument(arguments[2]), time_format, name)
        entry = call.database.find(key)
        if entry is None or not _is_wanted(options, entry.deadline, deadline):
            return ZERO
        if deadline <= call.keyspace.clock.milliseconds:
            call.database.delete(key)
        else:
            call.database.set_deadline(key, deadline)
        return ONE

    return expire


def _time_left(time_format: TimeFormat) -> Handler:
    def time_left(call: Call, arguments: list[bytes]) -> bytes:
        """Tell a key's deadline."""
        entry = call.database.find(arguments[1])
        if entry is None:
            return integer(NO_KEY)
        if not entry.deadline:
            return integer(NO_DEADLINE)
        now = call.keyspace.clock.milliseconds if time_format.relative else 0
        return integer((entry.deadline - now + time_format.unit // 2) // time_format.unit)

    return time_left


def persist(call: Call, arguments: list[bytes]) -> bytes:
    """PERSIST key: remove its deadline."""
    entry = call.database.find(arguments[1])
    if entry is None or not entry.deadline:
        return ZERO
    call.database.set_deadline(arguments[1], 0)
    return ONE


_FORMATS = {
    ("expire", "ttl"): SECONDS,
    ("pexpire", "pttl"): MILLISECONDS,
    ("expireat", "expiretime"): UNIX_SECONDS,
    ("pexpireat", "pexpiretime"): UNIX_MILLISECONDS,
}

COMMANDS: list[Command] = [
    *(Command(name, _expire(name, used), -3, Kind.WRITE) for (name, _), used in _FORMATS.items()),
    *(Command(name, _time_left(used), 2, Kind.READ) for (_, name), used in _FORMATS.items()),
    Command("persist", persist, 2, Kind.WRITE),
]

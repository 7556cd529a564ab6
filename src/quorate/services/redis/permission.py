"""Which keys a client may use: those that begin with one of its prefixes (`Context.prefixes`), as Redis' ACL has it.

Stricter than Redis in one point: what looks at all keys, whatever they are called (KEYS, SCAN, RANDOMKEY, FLUSHALL,
FLUSHDB), is refused to a client that has prefixes. DBSIZE and INFO, which count keys, are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quorate.services.redis.command import NO_KEYS, Command
from quorate.services.redis.errors import NO_PERMISSION_FOR_KEY, CommandError, no_permission_for
from quorate.services.redis.numbers import parse_integer

OF_ALL_KEYS: Final = frozenset({"flushall", "flushdb", "keys", "randomkey", "scan"})
WITHOUT_KEYS: Final = frozenset({"command", "config", "dbsize", "echo", "info", "ping", "select", "time"})
COUNTED_KEYS: Final = {
    **dict.fromkeys(("sintercard", "zdiff", "zinter", "zintercard", "zunion"), (1, ())),
    **dict.fromkeys(("zdiffstore", "zinterstore", "zunionstore"), (2, (1,))),
}
"""Where the number of the keys stands that follow it, and where other keys stand."""


def check_command(command: Command, arguments: list[bytes], prefixes: tuple[bytes, ...]) -> None:
    """Raise CommandError unless a client with *prefixes* may run the command; none: it may run all."""
    if not prefixes:
        return
    if command.name in OF_ALL_KEYS:
        raise no_permission_for(command.name)
    check_keys(keys_of(command, arguments), prefixes)


def check_keys(keys: Iterable[bytes], prefixes: tuple[bytes, ...]) -> None:
    """Raise CommandError unless all keys begin with one of the prefixes, or there are none."""
    if prefixes and not all(key.startswith(prefixes) for key in keys):
        raise CommandError(NO_PERMISSION_FOR_KEY)


def keys_of(command: Command, arguments: list[bytes]) -> list[bytes]:
    """The keys among the arguments. Where their number cannot be read, the command fails without looking at any."""
    if command.name == "object":
        return arguments[2:3]
    if command.name in COUNTED_KEYS:
        place, others = COUNTED_KEYS[command.name]
        number = parse_integer(arguments[place]) or 0
        return [arguments[other] for other in others] + arguments[place + 1 : place + 1 + max(number, 0)]
    if command.keys == NO_KEYS:
        return []
    first, last, step = command.keys
    end = last + 1 if last >= 0 else len(arguments) + last + 1
    return arguments[first:end:step]

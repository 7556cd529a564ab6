"""The command table: every command that the service knows, by name, and COMMAND, which tells clients about it."""

from __future__ import annotations

from quorate.services.redis import (
    bitmaps,
    expiration,
    hashes,
    keys,
    lists,
    scanning,
    server,
    sets,
    sorted_set_algebra,
    sorted_set_ranges,
    sorted_sets,
    strings,
)
from quorate.services.redis.command import NO_KEYS, Call, Command, Kind
from quorate.services.redis.errors import (
    unknown_command,
    unknown_subcommand,
    wrong_arity,
)
from quorate.services.redis.reply import EMPTY_ARRAY, array, bulk, bulks, integer


def command_for(arguments: list[bytes]) -> Command:
    """The command that *arguments* call; CommandError when there is none or their number is wrong.

    A gateway asks this too, to refuse at once what a MULTI would otherwise queue.
    """
    name = arguments[0]
    command = _by_bytes.get(name) or _by_bytes.get(name.lower())
    if command is None:
        raise unknown_command(arguments)
    if not command.accepts(len(arguments)):
        raise wrong_arity(command.name)
    return command


def _command(call: Call, arguments: list[bytes]) -> bytes:
    """COMMAND [COUNT | LIST | INFO [name ...] | DOCS [name ...]]"""
    subcommand, names = (arguments[1].lower(), arguments[2:]) if len(arguments) > 1 else (b"info", [])
    match subcommand:
        case b"count" if not names:
            return integer(len(COMMANDS))
        case b"list" if not names:
            return bulks([name.encode() for name in COMMANDS])
        case b"info":
            chosen = map(_by_name, names) if names else COMMANDS.values()
            return array(_information(command) if command else call.dialect.null for command in chosen)
        case b"docs":
            known = [command for command in map(_by_name, names) if command] if names else COMMANDS.values()
            parts = [part for command in known for part in (bulk(command.name.encode()), _documentation(call, command))]
            return call.dialect.map_of_replies(parts)
        case b"count" | b"list":
            raise wrong_arity(f"command|{subcommand.decode()}")
        case _:
            raise unknown_subcommand("command", arguments[1])


def _by_name(name: bytes) -> Command | None:
    return _by_bytes.get(name.lower())


def _information(command: Command) -> bytes:
    flags = b"+readonly\r\n" if Kind.READ in command.kind else b"+write\r\n"
    places = b"".join(map(integer, command.keys))
    # No ACL categories, tips, key specifications or subcommands.
    return b"*10\r\n%b%b*1\r\n%b%b%b" % (
        bulk(command.name.encode()),
        integer(command.arity),
        flags,
        places,
        EMPTY_ARRAY * 4,
    )


def _documentation(call: Call, command: Command) -> bytes:
    summary = (command.handler.__doc__ or "").partition("\n")[0]
    return call.dialect.map([b"summary", summary.encode(), b"group", _groups[command.name].encode()])


_FAMILIES = {
    "string": strings.COMMANDS,
    "bitmap": bitmaps.COMMANDS,
    "generic": [*keys.COMMANDS, *expiration.COMMANDS, *scanning.COMMANDS],
    "hash": hashes.COMMANDS,
    "list": lists.COMMANDS,
    "set": sets.COMMANDS,
    "sorted-set": [*sorted_sets.COMMANDS, *sorted_set_ranges.COMMANDS, *sorted_set_algebra.COMMANDS],
    "server": [*server.COMMANDS, Command("command", _command, -1, Kind.READ, NO_KEYS)],
}

COMMANDS: dict[str, Command] = {command.name: command for family in _FAMILIES.values() for command in family}
_groups = {command.name: group for group, family in _FAMILIES.items() for command in family}
_by_bytes: dict[bytes, Command] = {
    spelling.encode(): command for name, command in COMMANDS.items() for spelling in (name, name.upper())
}

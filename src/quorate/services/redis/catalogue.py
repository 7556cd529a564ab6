"""The command table: every command that the service knows, by name."""

from __future__ import annotations

from quorate.services.redis import strings
from quorate.services.redis.command import Command
from quorate.services.redis.errors import ARGUMENT_TOO_LARGE, CommandError, unknown_command, wrong_arity
from quorate.services.redis.limits import LONGEST_STRING

COMMANDS: dict[str, Command] = {command.name: command for family in (strings,) for command in family.COMMANDS}

_by_bytes: dict[bytes, Command] = {
    spelling.encode(): command for name, command in COMMANDS.items() for spelling in (name, name.upper())
}


def command_for(arguments: list[bytes]) -> Command:
    """The command that *arguments* call; CommandError when there is none or their number is wrong.

    A gateway asks this too, to refuse a command that a MULTI would otherwise queue.
    """
    name = arguments[0]
    command = _by_bytes.get(name) or _by_bytes.get(name.lower())
    if command is None:
        raise unknown_command(arguments)
    if not command.accepts(len(arguments)):
        raise wrong_arity(command.name)
    for argument in arguments:
        if len(argument) > LONGEST_STRING:
            raise CommandError(ARGUMENT_TOO_LARGE)
    return command

"""What is wrong with a command by its form alone: known before anything is executed, so that MULTI can refuse it."""

from __future__ import annotations

from typing import Final

from quorate.gateways.resp.client_command import check_client, is_arity_right
from quorate.gateways.resp.commands import SESSION_COMMANDS
from quorate.gateways.resp.scanner import Command
from quorate.services.redis.catalogue import command_for
from quorate.services.redis.errors import CommandError, wrong_arity

_ARITIES: Final = {b"exec": 1, b"quit": -1, b"watch": -2} | {
    name: command.arity for name, command in SESSION_COMMANDS.items()
}
UNQUEUED: Final = frozenset({b"exec", b"watch"}) | {
    name for name, command in SESSION_COMMANDS.items() if not command.is_queued
}
"""The commands that do not wait for EXEC."""
ATTACKS: Final = frozenset({b"host:", b"post"})
"""Lines of HTTP: some web page makes its reader's browser talk to us. Redis drops the connection, and so do we."""
SPECIAL_NAMES: Final = frozenset(_ARITIES) | ATTACKS
"""The commands that the connection looks at; all others are passed on as they are."""


def check_form(command: Command, is_shipped_now: bool) -> bytes | None:
    """The error reply to a command that cannot be executed, whatever the data are; None when it can.

    The service's commands are judged here unless they are shipped at once: then the service's own reply says it.
    """
    arity = _ARITIES.get(command.name)
    if arity is None:
        return None if is_shipped_now else _check_service_command(command)
    if not is_arity_right(arity, command.argument_count):
        return wrong_arity(command.name.decode()).reply
    return check_client(command.arguments()) if command.name == b"client" else None


def _check_service_command(command: Command) -> bytes | None:
    try:
        command_for(command.arguments())
    except CommandError as error:
        return error.reply
    return None

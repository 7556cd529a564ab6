"""MULTI ... EXEC: what is refused when it is queued, what is shipped, and how the reply is put together."""

from __future__ import annotations

from typing import Final

from quorate.gateways.resp import replies
from quorate.gateways.resp.commands import SESSION_COMMANDS
from quorate.gateways.resp.scanner import Command
from quorate.gateways.resp.session import Queue, Roster, Session

ABORTED: Final = replies.error(b"EXECABORT Transaction discarded because of previous errors.")
WITHOUT_MULTI: Final = replies.error(b"ERR EXEC without MULTI")

_SHIPPED_TOO: Final = frozenset({b"select"})
"""Session commands that the service executes as well: the commands behind a SELECT are for that database."""


def enqueue(queue: Queue, command: Command, bytes_max: int) -> bytes:
    """Queue *command* for EXEC; the reply says whether it was."""
    if queue.size + len(command.raw) > bytes_max:
        queue.is_broken = True
        return replies.error(b"ERR quorate: the transaction is too large, the limit is %d bytes" % bytes_max)
    queue.commands.append(command)
    queue.size += len(command.raw)
    return replies.QUEUED


def commands_to_ship(queue: Queue) -> bytes:
    """The raw commands of the queue that the service executes."""
    return b"".join(command.raw for command in queue.commands if _is_shipped(command))


def finish_transaction(session: Session, roster: Roster, queue: Queue, result: bytes) -> bytes:
    """What is sent for EXEC: the service's results with the answers of session commands in their places.

    A session command takes effect now, or not at all when a watched key has changed. The protocol that a queued
    HELLO asks for applies from the next command on.
    """
    is_mixed = any(command.name in SESSION_COMMANDS for command in queue.commands)
    results = replies.split_array(result) if is_mixed else None
    if results is None:
        return session.audible(result)
    remaining = iter(results)
    pieces = [session.audible(replies.array_header(len(queue.commands)))]
    for command in queue.commands:
        item = next(remaining) if _is_shipped(command) else b""
        if known := SESSION_COMMANDS.get(command.name):
            item = known.answer(session, roster, command.arguments())
        pieces.append(session.audible(item))
    return b"".join(pieces)


def _is_shipped(command: Command) -> bool:
    return command.name not in SESSION_COMMANDS or command.name in _SHIPPED_TOO

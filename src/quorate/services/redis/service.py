"""The Redis service: operations in, RESP replies out, the databases on checkpointable tables between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from quorate.config import Settings
from quorate.core.ports import Context
from quorate.errors import MalformedMessage
from quorate.messages.tree import Path
from quorate.services.redis.catalogue import command_for
from quorate.services.redis.command import Call, Kind
from quorate.services.redis.errors import (
    ARGUMENT_TOO_LARGE,
    REPLY_HAS_NO_ROOM,
    REPLY_TOO_LARGE,
    CommandError,
    NeedsOrder,
)
from quorate.services.redis.keyspace import Keyspace
from quorate.services.redis.limits import LONGEST_STRING, Limits, limits_for
from quorate.services.redis.operation import (
    Operation,
    Transaction,
    Versions,
    decode_operation,
    encode_versions,
)
from quorate.services.redis.parser import CommandParser
from quorate.services.redis.permission import check_command, check_keys

_MICROSECONDS = 1000
HASHED_A_CALL = 1024
"""Keys that one call of `digest` looks at: a millisecond or two."""


class RedisService:
    """A deterministic Redis. `quorate.services.redis.operation` says what its operations are.

    A tick removes keys that expired and does nothing else. Any operation removes some of them too, so a tick is of use
    when there is none; no command ever sees an expired key.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._keyspace = Keyspace()
        self._parser = CommandParser()
        self._looked_at: tuple[bytes, Operation, list[list[bytes]]] | None = None
        """An operation that `only_reads` took apart: `query` is asked about the same one next."""
        self.release = self._keyspace.release
        self.fetch = self._keyspace.fetch
        self.record_changes = self._keyspace.record_changes

    @classmethod
    def for_settings(cls, settings: Settings) -> Self:
        """One that says no more than the cluster carries, and tells its clients what that is."""
        return cls(limits_for(settings.request_bytes_max, settings.reply_bytes_max))

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply an operation. Bytes that are none get an error reply."""
        self._keyspace.begin(context.time)
        try:
            decoded = decode_operation(operation)
            if isinstance(decoded, Versions):
                check_keys((key for _, key in decoded.keys), context.prefixes)
                return self._versions(decoded)
            commands = self._parser.parse(decoded.commands)
            call = Call(self._keyspace, self._limits, decoded, context.time, context.seed, context.prefixes)
            if isinstance(decoded, Transaction):
                check_keys((watched.key for watched in decoded.watched), context.prefixes)
                return self._transaction(decoded, call, commands)
            return b"".join(_run(call, commands, len(decoded.commands) > LONGEST_STRING))
        except MalformedMessage as error:
            return CommandError(f"ERR {error}").reply
        except CommandError as error:
            return error.reply

    def tick(self, context: Context) -> None:
        """Remove keys that expired."""
        self._keyspace.begin(context.time)

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """Answer a pipeline of commands that only read, or `Versions`; None when it has to be ordered."""
        clock = self._keyspace.clock
        clock.querying = True
        try:
            decoded, commands = self._take_apart(operation)
            if isinstance(decoded, Versions):
                check_keys((key for _, key in decoded.keys), context.prefixes)
                return self._versions(decoded)
            if isinstance(decoded, Transaction) or not all(map(_is_query, commands)):
                return None
            call = Call(self._keyspace, self._limits, decoded, 0, b"", context.prefixes)
            return b"".join(_run(call, commands, len(decoded.commands) > LONGEST_STRING))
        except (MalformedMessage, CommandError, NeedsOrder):
            return None
        finally:
            clock.querying = False

    def only_reads(self, operation: bytes) -> bool:
        """Whether all its commands only read, whatever their answers depend on."""
        try:
            decoded, commands = self._take_apart(operation)
        except (MalformedMessage, CommandError):
            return True  # the error is the answer, and it changes nothing
        self._looked_at = operation, decoded, commands
        return all(map(_is_query, commands)) or not any(map(_may_write, commands))

    def _take_apart(self, operation: bytes) -> tuple[Operation, list[list[bytes]]]:
        """The operation and its commands. What was looked at is used once: handlers own their arguments."""
        looked_at, self._looked_at = self._looked_at, None
        if looked_at is not None and looked_at[0] is operation:
            return looked_at[1], looked_at[2]
        decoded = decode_operation(operation)
        return decoded, [] if isinstance(decoded, Versions) else self._parser.parse(decoded.commands)

    def checkpoint(self, sequence_number: int) -> bytes | None:
        """Hold the present contents as a checkpoint; its digest, if little has to be hashed for it."""
        self._keyspace.freeze(sequence_number)
        return self.digest(sequence_number)

    def digest(self, sequence_number: int) -> bytes | None:
        """The digest of a held checkpoint, once so many calls have hashed what changed."""
        return self._keyspace.digest(sequence_number, HASHED_A_CALL)

    def revert(self) -> None:
        """Go back to the newest checkpoint."""
        self._keyspace.revert()

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents of the given leaves and hold the result as the checkpoint *sequence_number*."""
        self._keyspace.install(sequence_number, leaves)

    def next_deadline(self) -> int | None:
        """The first agreed time at which the key that expires next is gone."""
        deadline = self._keyspace.deadlines.next()
        return None if deadline is None else (deadline + 1) * _MICROSECONDS

    def _versions(self, operation: Versions) -> bytes:
        return encode_versions([self._version(database, key) for database, key in operation.keys])

    def _version(self, database: int, key: bytes) -> int:
        entry = self._keyspace.databases[database].find(key)
        return entry.version if entry else 0

    def _transaction(self, operation: Transaction, call: Call, commands: list[list[bytes]]) -> bytes:
        for watched in operation.watched:
            if self._version(watched.database, watched.key) != watched.version:
                return call.dialect.null_array
        return b"*%d\r\n" % len(commands) + b"".join(_run(call, commands, len(operation.commands) > LONGEST_STRING))


def _run(call: Call, commands: list[list[bytes]], may_be_large: bool) -> list[bytes]:
    """Run commands and collect their replies. Once these are too large, the rest is refused, and not run; in place of
    a reply that has no room any more there is an error, also where its command has changed something.

    *may_be_large* says whether the operation has room for an argument that is too large.
    """
    replies = []
    room = call.limits.largest_reply
    for arguments in commands:
        try:
            if room <= 0:
                raise CommandError(REPLY_TOO_LARGE)
            if may_be_large and max(map(len, arguments)) > LONGEST_STRING:
                raise CommandError(ARGUMENT_TOO_LARGE)
            command = command_for(arguments)
            if call.prefixes:
                check_command(command, arguments, call.prefixes)
            reply = command.handler(call, arguments)
            room -= len(reply)
            if room < 0:
                raise CommandError(REPLY_HAS_NO_ROOM)
        except CommandError as error:
            reply = error.reply
        replies.append(reply)
    return replies


def _may_write(arguments: list[bytes]) -> bool:
    try:
        return Kind.WRITE in command_for(arguments).kind
    except CommandError:
        return False


def _is_query(arguments: list[bytes]) -> bool:
    try:
        return command_for(arguments).is_query
    except CommandError:
        return True  # the error is the answer, and it changes nothing

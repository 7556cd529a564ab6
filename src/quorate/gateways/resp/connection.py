"""One client's connection, without its socket: bytes in, operations for the cluster and bytes to write out.

    receive_data ----> scanner ----> next_operation ----> (submitted by the server)
                                          |                        |
    take_output <--- replies, in order <--+---- receive_result <---+

At most one operation of a connection is outstanding. What arrives meanwhile waits as raw bytes and goes into the
next operation as one pipeline, so a busy connection batches by itself and replies keep their order. Commands on the
connection itself (`SESSION_COMMANDS`, EXEC, WATCH, QUIT) cut the pipeline: they are answered here, in their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from quorate.errors import PermissionDenied, RequestFailed
from quorate.gateways.resp import replies
from quorate.gateways.resp.commands import BEFORE_AUTH, NOT_AUTHENTICATED, SESSION_COMMANDS
from quorate.gateways.resp.failures import describe_failure
from quorate.gateways.resp.forms import ATTACKS, SPECIAL_NAMES, UNQUEUED, check_form
from quorate.gateways.resp.limits import ScanLimits
from quorate.gateways.resp.operations import (
    decode_versions,
    encode_pipeline,
    encode_transaction,
    encode_versions,
)
from quorate.gateways.resp.reading import only_reads
from quorate.gateways.resp.scanner import Command, Scanner, name_of_command, split_commands
from quorate.gateways.resp.session import Roster, Session, WatchedKey, size_of_watched
from quorate.gateways.resp.transaction import (
    ABORTED,
    WITHOUT_MULTI,
    commands_to_ship,
    enqueue,
    finish_transaction,
)
from quorate.services.redis.errors import no_permission_for

PIPELINE_BYTES_MAX: Final = 32 * 1024
"""How much of a connection's pipeline becomes one operation: some hundreds of commands. Longer pipelines are cut, so
that one client does not hold up the others and the replies to a cut stay below the cluster's `reply_bytes_max`."""
OUTPUT_BYTES_MAX: Final = 1 << 20
"""How much the gateway answers by itself before it waits until the client reads."""


class Connection:
    """The state machine of one connection. The server calls it; it calls nobody."""

    __slots__ = (
        "_finish",
        "_limits",
        "_output",
        "_output_bytes",
        "_roster",
        "_scanner",
        "_singly",
        "_unanswered",
        "complaint",
        "is_closing",
        "is_reading",
        "session",
    )

    def __init__(self, session: Session, roster: Roster, limits: ScanLimits) -> None:
        self.session = session
        self._roster = roster
        self._limits = limits
        self._scanner = Scanner(SPECIAL_NAMES, limits)
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._unanswered = b""
        """The raw commands of the outstanding operation; empty when none is outstanding."""
        self._singly: deque[bytes] = deque()
        """Commands of a pipeline that is sent again, one by one."""
        self._finish: Callable[[bytes], bytes] | None = None
        """Makes what is sent of the outstanding operation's result; None when the result is the replies."""
        self.is_reading = False
        """Whether the outstanding operation only reads."""
        self.is_closing = False
        """Nothing more is read; close when the output is written."""
        self.complaint = ""
        """What the client sent that is no Redis protocol, once it is closed for that."""

    @property
    def is_waiting(self) -> bool:
        """Whether an operation is outstanding."""
        return bool(self._unanswered)

    @property
    def buffered_bytes(self) -> int:
        """How much has arrived and was not yet used."""
        return self._scanner.buffered_bytes

    def receive_data(self, data: bytes) -> None:
        """Bytes have arrived from the client."""
        self._scanner.feed(data)

    def receive_result(self, result: bytes) -> None:
        """The outstanding operation was executed."""
        finish, self._finish = self._finish, None
        self._unanswered = b""
        self._send(self.session.audible(result) if finish is None else finish(result))

    def receive_failure(self, failure: RequestFailed) -> None:
        """The outstanding operation failed: each of its commands gets an error, so that the replies still count."""
        commands = [self._unanswered] if self._finish else split_commands(self._unanswered)
        is_pipeline = self._finish is None
        self._finish = None
        self._unanswered = b""
        if isinstance(failure, PermissionDenied) and is_pipeline:
            self._receive_denial(commands)
        else:
            self._reply(describe_failure(failure) * len(commands))

    def _receive_denial(self, commands: list[bytes]) -> None:
        """A client that may only read: of several commands none was executed, though some may only read, so they are
        sent again one by one; a single one is refused for good."""
        if len(commands) > 1:
            self._singly.extend(commands)
        else:
            self._reply(no_permission_for(name_of_command(commands[0])).reply)

    def abandon(self) -> None:
        """The client is gone: forget what it sent and what it was to be told."""
        self.is_closing = True
        self._singly.clear()
        self._scanner.clear()
        self._output.clear()

    def take_output(self) -> bytes:
        """What has to be written now."""
        output = self._output
        if not output:
            return b""
        joined = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        self._output_bytes = 0
        return joined

    def next_operation(self) -> bytes | None:
        """Answer what the gateway answers itself, up to the next operation; None when there is none for now.

        None also comes once much was answered: call again when that output was taken.
        """
        session, scanner = self.session, self._scanner
        while not (self._unanswered or self.is_closing or self._output_bytes > OUTPUT_BYTES_MAX):
            is_plain = session.queue is None and not session.is_next_skipped and session.is_authenticated
            if self._singly:
                session.begin_command()
                return self._start_pipeline(self._singly.popleft())
            if is_plain and (run := scanner.take_run(PIPELINE_BYTES_MAX)):
                session.begin_command()
                return self._start_pipeline(run)
            command = scanner.peek()
            if command is None:
                if scanner.error is not None:
                    session.begin_command()
                    self._reply(replies.error(b"ERR Protocol error: " + scanner.error.reason))
                    self._close_for(scanner.error.reason.decode("ascii", "backslashreplace"))
                return None
            scanner.consume()
            session.begin_command()
            if operation := self._perform(command):
                return operation
        return None

    def _close_for(self, complaint: str) -> None:
        self.is_closing = True
        self.complaint = complaint

    def _perform(self, command: Command) -> bytes | None:
        """Handle one command; the operation that it needs, if any."""
        session, name = self.session, command.name
        if name in ATTACKS:
            self._close_for("HTTP")
        elif name == b"quit":
            self._reply(replies.OK)
            self.is_closing = True
        elif refusal := self._refuse(command):
            self._reply(refusal)
        elif session.queue is not None and name not in UNQUEUED:
            self._reply(enqueue(session.queue, command, self._limits.command_bytes))
        elif known := SESSION_COMMANDS.get(name):
            self._reply(known.answer(session, self._roster, command.arguments()))
        elif name == b"exec":
            return self._execute(command)
        elif name == b"watch":
            return self._watch(command)
        else:
            return self._start_pipeline(command.raw)
        return None

    def _refuse(self, command: Command) -> bytes | None:
        """The error for what is wrong with a command by its form or size alone; it breaks a transaction."""
        queue = self.session.queue
        is_shipped_now = queue is None and self.session.is_authenticated
        error = replies.error(command.refusal) if command.refusal else check_form(command, is_shipped_now)
        if error is None and not self.session.is_authenticated and command.name not in BEFORE_AUTH:
            error = NOT_AUTHENTICATED
        if error is None:
            return None
        if command.name == b"exec":
            self.session.end_transaction()
            return replies.error(
                b"EXECABORT Transaction discarded because of: " + error.removeprefix(b"-ERR ").removeprefix(b"-")
            )
        if queue is not None:
            queue.is_broken = True
        return error

    def _start_pipeline(self, commands: bytes) -> bytes:
        self._unanswered = commands
        self.is_reading = only_reads(commands)
        return encode_pipeline(self.session, commands)

    def _execute(self, command: Command) -> bytes | None:
        """EXEC: ship the queue with the versions of the watched keys."""
        session = self.session
        queue, watched = session.queue, dict(session.watched)
        if queue is None:
            self._reply(WITHOUT_MULTI)
            return None
        is_refused = queue.is_broken or session.is_watch_lost
        session.end_transaction()
        if is_refused:
            self._reply(ABORTED)
            return None
        commands = commands_to_ship(queue)
        if not commands and not watched:
            self._send(finish_transaction(session, self._roster, queue, replies.array([])))
            return None
        self._unanswered = command.raw
        self.is_reading = False
        self._finish = partial(finish_transaction, session, self._roster, queue)
        return encode_transaction(session, commands, watched)

    def _watch(self, command: Command) -> bytes | None:
        """WATCH: ask for the versions of the keys that are not watched yet."""
        session = self.session
        if session.queue is not None:
            self._reply(replies.error(b"ERR WATCH inside MULTI is not allowed"))
            return None
        asked = dict.fromkeys((session.database, key) for key in command.arguments()[1:])
        keys = [key for key in asked if key not in session.watched]
        if not keys:
            self._reply(replies.OK)
            return None
        if session.watched_bytes + size_of_watched(keys) > self._limits.command_bytes:
            session.is_watch_lost = True
            self._reply(replies.error(b"ERR quorate: too many keys are watched"))
            return None
        self._unanswered = command.raw
        self.is_reading = True
        self._finish = partial(self._finish_watch, keys, session.is_watch_lost)
        session.is_watch_lost = True
        return encode_versions(keys)

    def _finish_watch(self, keys: Sequence[WatchedKey], was_lost: bool, result: bytes) -> bytes:
        """Keep the versions. Until this is reached the WATCH counts as lost."""
        if result.startswith(b"-"):
            return self.session.audible(result)  # the service refuses it
        versions = decode_versions(result, len(keys))
        if versions is None:
            return self.session.audible(replies.error(b"ERR quorate: the service knows no versions of keys"))
        self.session.watch(keys, versions)
        self.session.is_watch_lost = was_lost
        return self.session.audible(replies.OK)

    def _reply(self, reply: bytes) -> None:
        self._send(self.session.audible(reply))

    def _send(self, output: bytes) -> None:
        if output:
            self._output.append(output)
            self._output_bytes += len(output)

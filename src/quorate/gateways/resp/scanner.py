"""Where one command ends and the next begins, in bytes that arrive in pieces of any size.

The gateway passes commands on as they came, so the scanner finds their ends and their names and looks no closer.
How the bytes were split into pieces makes no difference to what it finds. What it hands out is canonical RESP (an
inline command becomes an array; line ends that Redis does not look at become CRLF), so that the service parses
exactly the commands that were counted here. Errors and their texts are those of Redis 7.0.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from quorate.gateways.resp.inline import split_inline
from quorate.gateways.resp.limits import HOPELESS_BYTES, LINE_BYTES_MAX, ScanLimits
from quorate.gateways.resp.plain import end_of_run
from quorate.services.redis.errors import STRING_TOO_LONG
from quorate.services.redis.numbers import parse_integer
from quorate.services.redis.operation import encode_command

_BULK_HEADER: Final = re.compile(rb"\$(0|[1-9][0-9]{0,8})\r\n")
_ASTERISK, _DOLLAR, _LINE_FEED = b"*$\n"


class ProtocolError(Exception):
    """The stream makes no sense from here on. *reason* is what Redis answers before it closes the connection."""

    def __init__(self, reason: bytes) -> None:
        super().__init__(reason)
        self.reason = reason


class Command(NamedTuple):
    """One whole command."""

    name: bytes
    """Its first argument in small letters."""
    argument_count: int
    """With the name."""
    raw: bytes
    """The command as a canonical RESP array."""
    refusal: bytes = b""
    """Why it is not taken: it is too large, and all that is left of it is its name."""

    def arguments(self) -> list[bytes]:
        """All arguments, the name first. Connection-level commands alone pay for this."""
        return split_arguments(self.raw)


def split_arguments(raw: bytes | bytearray) -> list[bytes]:
    """The arguments of one command, canonical but for its line ends."""
    arguments = []
    position = raw.index(b"\r") + 2
    while position < len(raw):
        start = raw.index(b"\r", position) + 2
        end = start + int(raw[position + 1 : start - 2])
        arguments.append(bytes(raw[start:end]))
        position = end + 2
    return arguments


def split_commands(raw: bytes) -> list[bytes]:
    """The commands that *raw* holds: canonical ones, as `Scanner` hands them out."""
    commands = []
    position = 0
    while position < len(raw):
        end = end_of_command(raw, position)
        commands.append(raw[position:end])
        position = end
    return commands


def end_of_command(raw: bytes, start: int) -> int:
    """Where the canonical command at *start* ends."""
    line_end = raw.index(b"\r", start)
    end = line_end + 2
    for _ in range(int(raw[start + 1 : line_end])):
        line_end = raw.index(b"\r", end)
        end = line_end + 4 + int(raw[end + 1 : line_end])
    return end


def name_of_command(raw: bytes) -> str:
    """The name that a canonical command begins with, in small letters."""
    _, _, rest = raw.partition(b"$")
    size, _, rest = rest.partition(b"\r\n")
    return rest[: int(size)].lower().decode(errors="backslashreplace")


class Scanner:
    """The received bytes of one connection that are not used yet.

    *special_names* are the commands that end a run: those that the connection has to look at.
    """

    __slots__ = (
        "_announced",
        "_buffer",
        "_bulk_length",
        "_cursor",
        "_is_canonical",
        "_limits",
        "_missing",
        "_name",
        "_next",
        "_refusal",
        "_special_names",
        "error",
    )

    def __init__(self, special_names: frozenset[bytes], limits: ScanLimits | None = None) -> None:
        self._special_names = special_names
        self._limits = limits or ScanLimits()
        self._buffer: bytes | bytearray = b""
        """Begins with the first command that was not handed out. It stays the `bytes` that arrived, uncopied,
        as long as every piece holds whole commands."""
        self._next: Command | None = None
        """The command at the front of the buffer, once it is known."""
        self.error: ProtocolError | None = None
        """Why no further command comes, once everything before it was taken."""
        self._restart()

    def _restart(self) -> None:
        """A new command is at the front; nothing of it was looked at."""
        self._cursor = 0
        """Everything before it has been looked at."""
        self._announced = 0
        """How many arguments the front command has."""
        self._missing = 0
        """How many of them are still to be stepped over."""
        self._bulk_length: int | None = None
        """The size of the argument at the cursor, once its header was read."""
        self._name = b""
        self._is_canonical = True
        self._refusal = b""
        """Why the front command is stepped over and forgotten, once that is known."""

    @property
    def buffered_bytes(self) -> int:
        """How much has arrived and was not handed out."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what arrived."""
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer) + data

    def clear(self) -> None:
        """Forget everything that has arrived."""
        self._buffer = b""
        self._next = None
        self._restart()

    def take_run(self, bytes_max: int) -> bytes:
        """The plain commands at the front, as raw bytes; empty when there are none.

        Stops before a special command, an incomplete one or an error, and soon after *bytes_max*.
        """
        pieces = []
        size = 0
        while size < bytes_max and self._buffer:
            piece = self._take_plain(bytes_max - size)
            if not piece:
                command = self.peek()
                if command is None or command.refusal or command.name in self._special_names:
                    break
                piece = command.raw
                self.consume()
            pieces.append(piece)
            size += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_plain(self, bytes_max: int) -> bytes:
        """The fast path, for a front command that was not looked at yet."""
        if self._cursor or self._refusal:
            return b""
        buffer = self._buffer
        end = end_of_run(buffer, self._special_names, self._limits, bytes_max)
        if end == len(buffer) and isinstance(buffer, bytes):
            self._buffer = b""
            return buffer
        plain = bytes(buffer[:end])
        self._drop_front(end)
        return plain

    def peek(self) -> Command | None:
        """The whole command at the front, which stays there; None when there is none yet, or `error` is set."""
        if self._next is None and self.error is None and self._buffer:
            try:
                self._next = self._scan()
            except ProtocolError as error:
                self.error = error
        return self._next

    def consume(self) -> None:
        """Drop the command that `peek` returned."""
        self._next = None
        self._drop_front(self._cursor)

    def _drop_front(self, end: int) -> None:
        """Forget the first *end* bytes. A bytearray does it without moving the rest."""
        if end == len(self._buffer):
            self._buffer = b""
        elif end:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            del self._buffer[:end]
        self._restart()

    def _scan(self) -> Command | None:
        """Look further at the front of the buffer. Commands without arguments are dropped, as Redis does."""
        while self._buffer:
            if self._cursor == 0 and self._buffer[0] != _ASTERISK and not self._refusal:
                words = self._scan_inline()
                if words is None:
                    return None
                if words:
                    return Command(words[0].lower(), len(words), encode_command(words))
            else:
                if self._cursor == 0 and not self._refusal and not self._scan_argument_count():
                    return None
                if self._announced:
                    return self._finish_array() if self._scan_arguments() else self._step_over()
            self._drop_front(self._cursor)
        return None

    def _scan_inline(self) -> list[bytes] | None:
        """The words of the line at the front, which the cursor steps over; None while it is incomplete."""
        line_end = self._find_line_end(b"\n", b"too big inline request")
        if line_end is None:
            return None
        line = bytes(self._buffer[:line_end])
        words = split_inline(line.removesuffix(b"\r"))
        if words is None:
            raise ProtocolError(b"unbalanced quotes in request")
        self._cursor = line_end + 1
        return words

    def _scan_argument_count(self) -> bool:
        """Read `*<number>` at the front; False while it is incomplete."""
        count = self._read_number(b"too big mbulk count string", b"invalid multibulk length")
        if count is None:
            return False
        if count > self._limits.arguments:
            raise ProtocolError(b"invalid multibulk length")
        self._announced = self._missing = max(count, 0)
        return True

    def _scan_arguments(self) -> bool:
        """Step over the arguments of the front command; False while some are missing, or one is too large."""
        buffer = self._buffer
        while self._missing:
            if self._bulk_length is None and not self._scan_bulk_header():
                return False
            if self._refusal:
                return False
            end = self._cursor + (self._bulk_length or 0)
            if end + 2 > len(buffer):
                return False
            if buffer[end : end + 2] != b"\r\n":
                self._is_canonical = False
            if self._missing == self._announced:
                self._name = bytes(buffer[self._cursor : end]).lower()
            self._cursor = end + 2
            self._bulk_length = None
            self._missing -= 1
        return True

    def _scan_bulk_header(self) -> bool:
        """Read `$<number>` at the cursor; False while it is incomplete."""
        if match := _BULK_HEADER.match(self._buffer, self._cursor):
            self._cursor = match.end()
            length: int | None = int(match[1])
        else:
            length = self._read_number(b"too big bulk count string", b"invalid bulk length", expected_mark=_DOLLAR)
        if length is None:
            return False
        if not 0 <= length <= HOPELESS_BYTES:
            raise ProtocolError(b"invalid bulk length")
        if not self._refusal:
            self._refusal = self._refusal_of(length)
        self._bulk_length = length
        return True

    def _refusal_of(self, length: int) -> bytes:
        """What is wrong with an argument of *length* bytes at the cursor."""
        if length > self._limits.argument_bytes:
            return STRING_TOO_LONG.encode()
        if self._cursor + length > self._limits.command_bytes:
            return b"ERR quorate: the command is too large, the limit is %d bytes" % self._limits.command_bytes
        return b""

    def _step_over(self) -> Command | None:
        """Step over the rest of a command that is too large, and forget it as it comes; None while some is missing,
        or when the command is not too large."""
        while self._missing and self._refusal:
            if self._bulk_length is None and not self._scan_bulk_header():
                self._forget(self._cursor)
                return None
            end = self._cursor + (self._bulk_length or 0) + 2
            if end > len(self._buffer):
                self._bulk_length = end - len(self._buffer) - 2  # below zero where only of the line end is missing
                self._forget(len(self._buffer))
                return None
            self._cursor = end
            self._bulk_length = None
            self._missing -= 1
        return Command(self._name, self._announced, b"", self._refusal) if self._refusal else None

    def _forget(self, end: int) -> None:
        """Drop the first *end* bytes of a command that is stepped over."""
        self._buffer = bytearray(self._buffer[end:]) if end < len(self._buffer) else b""
        self._cursor = 0

    def _read_number(self, too_long: bytes, invalid: bytes, expected_mark: int | None = None) -> int | None:
        """The number behind the mark in the line at the cursor, which steps over the line; None while it is
        incomplete. Like Redis, wait for one byte behind the CR and do not look at it."""
        buffer = self._buffer
        line_end = self._find_line_end(b"\r", too_long)
        if line_end is None or line_end + 1 == len(buffer):
            return None
        mark = buffer[self._cursor]
        if expected_mark is not None and mark != expected_mark:
            shown = b" " if mark in b"\r\n" else bytes((mark,))
            raise ProtocolError(b"expected '%c', got '%b'" % (expected_mark, shown))
        number = parse_integer(bytes(buffer[self._cursor + 1 : line_end]))
        if number is None:
            raise ProtocolError(invalid)
        if buffer[line_end + 1] != _LINE_FEED:
            self._is_canonical = False
        self._cursor = line_end + 2
        return number

    def _find_line_end(self, ending: bytes, too_long: bytes) -> int | None:
        """Where the line at the cursor ends; None while it is incomplete. A NUL hides the rest, as it does in Redis."""
        start, stop = self._cursor, self._cursor + LINE_BYTES_MAX + 1
        line_end = self._buffer.find(ending, start, stop)
        if line_end >= 0 and self._buffer.find(b"\0", start, line_end) < 0:
            return line_end
        if len(self._buffer) >= stop:
            raise ProtocolError(too_long)
        return None

    def _finish_array(self) -> Command:
        raw = bytes(self._buffer[: self._cursor])
        if not self._is_canonical:
            raw = encode_command(split_arguments(raw))
        return Command(self._name, self._announced, raw)

"""How a laboratory's replica is told what to do: a Unix socket in its folder, which only its owner may open.

Whoever may open the socket may read `private.key` beside it, and so could be this traitor anyway: it gives nobody a
power that he lacks. It exists only while a laboratory's replica runs, and no message of the protocol knows of it.
One connection carries one command and its answer, each ended by the end of the stream.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from quorate.errors import QuorateError

SOCKET_FILE: Final = "lab.sock"
_COMMAND_BYTES_MAX: Final = 1 << 20
_SECONDS: Final = 10.0
_BACKLOG: Final = 8


class Lie(Struct, frozen=True, tag="lie"):
    """Be a traitor in these ways from now on."""

    strategies: tuple[str, ...]
    seed: int


class Behave(Struct, frozen=True, tag="behave"):
    """Follow the rules again, from where the honest replica inside is. What was said stays said."""


class Jump(Struct, frozen=True, tag="jump"):
    """Have a wall clock that is so many microseconds wrong; 0: the machine's."""

    offset: int


class Cut(Struct, frozen=True, tag="cut"):
    """Lose the frames from some replicas; none: the links are whole."""

    deaf_to: frozenset[int] = frozenset()


class Tell(Struct, frozen=True, tag="tell"):
    """Say how you are, and with `record` what you have seen."""

    record: bool = False


Command = Lie | Behave | Jump | Cut | Tell


class Event(Struct, frozen=True, array_like=True):
    """A step of the rules, and when its turn began: microseconds of the machine's monotonic clock."""

    time: int
    name: str
    details: dict[str, Any]


class Refusal(Struct, frozen=True, array_like=True):
    """Messages that were refused: of which type, why, whose they were by name, and how many."""

    type: str
    reason: str
    sender: int | None
    count: int


class Told(Struct, frozen=True):
    """How a laboratory's replica is."""

    replica_id: int
    pid: int
    lies: tuple[str, ...]
    """The strategies at work."""
    has_lied: bool
    """Whether it was ever a traitor in this process's life: then it counts as one for ever."""
    failure: str
    """What ended its lies, where they raised."""
    refusals: tuple[Refusal, ...] = ()
    events: tuple[Event, ...] = ()
    deaf_to: frozenset[int] = frozenset()
    clock_offset: int = 0


class Refused(Struct, frozen=True):
    """Why the command was not obeyed."""

    reason: str


class NotRunning(QuorateError):
    """No laboratory's replica answers in this folder."""


_encode: Final = msgspec.msgpack.encode
_decode_command: Final = msgspec.msgpack.Decoder(Command)
_decode_told: Final = msgspec.msgpack.Decoder(Told)
_decode_refused: Final = msgspec.msgpack.Decoder(Refused)


@asynccontextmanager
async def obeying(folder: Path, obey: Callable[[Command], Told]) -> AsyncIterator[None]:
    """Serve the socket of *folder*. An error that *obey* raises on purpose is the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(_answer(await reader.read(_COMMAND_BYTES_MAX), obey))
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, sock=_listening(folder))
    try:
        yield
    finally:
        server.close()
        (folder / SOCKET_FILE).unlink(missing_ok=True)


def _answer(request: bytes, obey: Callable[[Command], Told]) -> bytes:
    try:
        return b"T" + _encode(obey(_decode_command.decode(request)))
    except (msgspec.DecodeError, QuorateError) as error:
        return b"R" + _encode(Refused(str(error)))


def _listening(folder: Path) -> socket.socket:
    (folder / SOCKET_FILE).unlink(missing_ok=True)  # of a process that was killed: we hold the folder
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with _address(folder) as address:
            listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    listening.setblocking(False)
    return listening


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A name of the socket that is short enough for the system, however deep the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{descriptor}"
        yield f"{short if os.path.isdir(short) else folder}/{SOCKET_FILE}"
    finally:
        os.close(descriptor)


async def ask(folder: Path, command: Command, seconds: float = _SECONDS) -> Told:
    """Have the replica of *folder* obey. Raises NotRunning where none is, QuorateError where it refuses."""
    try:
        async with asyncio.timeout(seconds):
            answer = await _exchange(folder, _encode(command))
    except (OSError, TimeoutError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else str(error.strerror)
        raise NotRunning(f"{folder}: no replica of a laboratory runs here ({why})") from None
    if answer[:1] != b"T":
        raise QuorateError(f"{folder}: {_decode_refused.decode(answer[1:]).reason if answer else 'it closed'}")
    return _decode_told.decode(answer[1:])


async def tell(folder: Path, seconds: float = _SECONDS, record: bool = False) -> Told | None:
    """How the replica of *folder* is; None where none of a laboratory answers in time."""
    try:
        return await ask(folder, Tell(record), seconds)
    except NotRunning:
        return None


async def _exchange(folder: Path, request: bytes) -> bytes:
    with _address(folder) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(request)
        writer.write_eof()
        return await reader.read(-1)
    finally:
        writer.close()

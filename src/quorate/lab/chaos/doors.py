"""How a caller has Redis commands executed: by the client of this library, or through a gateway as any program does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

from quorate.client.aio import AsyncClient
from quorate.errors import RequestFailed
from quorate.services.redis.operation import (
    Pipeline,
    Transaction,
    Versions,
    Watched,
    decode_versions,
    encode_command,
    encode_operation,
)

Command = Sequence[bytes]
Reply: TypeAlias = "bytes | int | list[Reply] | None"
_T = TypeVar("_T")
_END: Final = b"\r\n"


class Unreached(RequestFailed):
    """There was no connection: nothing was asked."""


class Door(Protocol):
    """Takes commands. Whatever fails fails with RequestFailed, and what it was about may have been done or not."""

    async def run(self, command: Command) -> Reply:
        """One command's reply."""

    async def together(self, commands: Sequence[Command]) -> list[Reply]:
        """The replies of commands that are executed as one: MULTI and EXEC."""

    async def swap(self, key: bytes, old: bytes | None, new: bytes) -> bool:
        """Set a key if its value is *old*: WATCH, GET, and SET as a transaction. Whether it was."""

    async def close(self) -> None:
        """No more."""


class DirectDoor:
    """By this library's client. Several callers may share it: each request has a session of its own."""

    def __init__(self, client: AsyncClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    async def run(self, command: Command) -> Reply:
        """An operation of one command."""
        return await self._invoke(encode_operation(Pipeline(0, 2, encode_command(command))))

    async def together(self, commands: Sequence[Command]) -> list[Reply]:
        """An operation of several."""
        return as_list(await self._invoke(self._transaction(commands, [])))

    async def swap(self, key: bytes, old: bytes | None, new: bytes) -> bool:
        """The version first, as a gateway does for WATCH."""
        while True:
            [version] = decode_versions(
                await self._client.invoke(encode_operation(Versions([(0, key)])), self._seconds)
            )
            if await self.run([b"GET", key]) != old:
                return False
            setting = self._transaction([[b"SET", key, new]], [Watched(0, key, version)])
            if await self._invoke(setting) is not None:
                return True

    async def close(self) -> None:
        """The client is closed by whoever made it."""

    @staticmethod
    def _transaction(commands: Sequence[Command], watched: list[Watched]) -> bytes:
        return encode_operation(Transaction(0, 2, b"".join(map(encode_command, commands)), watched))

    async def _invoke(self, operation: bytes) -> Reply:
        stream = asyncio.StreamReader()
        stream.feed_data(await self._client.invoke(operation, self._seconds))
        stream.feed_eof()
        return await read_reply(stream)


class GatewayDoor:
    """A connection to a gateway, made anew when it broke. For one caller."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._address = (host, port)
        self._seconds = seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, command: Command) -> Reply:
        """One command."""
        [reply] = await self._patiently(self._exchange([command]))
        return reply

    async def together(self, commands: Sequence[Command]) -> list[Reply]:
        """MULTI, the commands, EXEC."""
        return as_list((await self._patiently(self._exchange([[b"MULTI"], *commands, [b"EXEC"]])))[-1])

    async def swap(self, key: bytes, old: bytes | None, new: bytes) -> bool:
        """WATCH, GET, MULTI, SET, EXEC."""
        return await self._patiently(self._swap(key, old, new))

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _swap(self, key: bytes, old: bytes | None, new: bytes) -> bool:
        while True:
            _, value = await self._exchange([[b"WATCH", key], [b"GET", key]])
            if value != old:
                await self._exchange([[b"UNWATCH"]])
                return False
            *_, done = await self._exchange([[b"MULTI"], [b"SET", key, new], [b"EXEC"]])
            if done is not None:
                return True

    async def _patiently(self, work: Awaitable[_T]) -> _T:
        """After a failure nobody knows what comes next on the connection: another one is made."""
        try:
            async with asyncio.timeout(self._seconds):
                return await work
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise RequestFailed(f"gateway: {type(error).__name__}") from None
        except BaseException:
            await self.close()
            raise

    async def _exchange(self, commands: Sequence[Command]) -> list[Reply]:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection(*self._address)
            except OSError as error:
                raise Unreached(str(error)) from None
        reader, writer = self._streams
        writer.write(b"".join(map(encode_command, commands)))
        return [await read_reply(reader) for _ in commands]


async def read_reply(stream: asyncio.StreamReader) -> Reply:
    """One reply of RESP2. Raises RequestFailed for an error, and EOFError when the stream ends."""
    line = await stream.readuntil(_END)
    kind, rest = line[:1], line[1 : -len(_END)]
    match kind:
        case b"+":
            return rest
        case b":":
            return int(rest)
        case b"$":
            return None if rest == b"-1" else (await stream.readexactly(int(rest) + len(_END)))[: -len(_END)]
        case b"*":
            return None if rest == b"-1" else [await read_reply(stream) for _ in range(int(rest))]
        case b"-":
            raise RequestFailed(rest.decode(errors="backslashreplace"))
    raise RequestFailed(f"the service answered {line[:80]!r}")


def as_list(reply: Reply) -> list[Reply]:
    """The replies of a transaction that nothing can have stopped."""
    if not isinstance(reply, list):
        raise RequestFailed(f"a transaction was answered by {reply!r}")
    return reply

"""The load of a Redis: one connection, on which what is submitted in one turn of the loop goes out together."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import hiredis
import uvloop

from benchmarks.load.closed_loop import Done, Submit
from benchmarks.load.operations import redis_commands, refuse_others
from benchmarks.load.serving import serve
from benchmarks.plan import Operations
from benchmarks.processes import LOOPBACK


def main(options: dict[str, int]) -> None:
    """`port` is the server's."""
    uvloop.run(_run(options["port"]))


class Client(asyncio.Protocol):
    """Pipelines commands without waiting, and reads the replies with Redis's own parser in C."""

    def __init__(self) -> None:
        self._commands = redis_commands()
        self._outgoing: list[bytes] = []
        self._waiting: deque[Done] = deque()
        self._reader = hiredis.Reader()

    def submit_for(self, operations: Operations) -> Submit:
        """What sends the default operations."""
        refuse_others(operations)
        return self.submit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()

    def submit(self, number: int, done: Done) -> None:
        """Send a command at the end of this turn."""
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(self._commands[number % len(self._commands)])
        self._waiting.append(done)

    def _send(self) -> None:
        self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def data_received(self, data: bytes) -> None:
        """Replies, in the order of the commands."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft()(reply == b"OK")


async def _run(port: int) -> None:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, LOOPBACK, port)
    await serve(client.submit_for)
    transport.close()

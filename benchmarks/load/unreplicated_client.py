"""The load of the unreplicated engine: a client that coalesces as Quorate's does, one request under way at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypedDict, cast

import msgspec
import uvloop

from benchmarks.load.closed_loop import Done, Submit
from benchmarks.load.operations import answer_to, maker
from benchmarks.load.serving import serve
from benchmarks.plan import DEFAULT_OPERATIONS, Operations
from quorate.net.framing import FrameBuffer, frame

_OPERATIONS_MAX = 4096
_START_SECONDS = 10.0
_REPLY_BYTES_MAX = 1 << 24
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class Options(TypedDict):
    """Where the server listens."""

    host: str
    port: int


def main(options: Options) -> None:
    """Connect, and carry out orders."""
    uvloop.run(_run(options["host"], options["port"]))


class Client(asyncio.Protocol):
    """What is submitted while a request is under way goes into the next one together."""

    def __init__(self) -> None:
        self._use(DEFAULT_OPERATIONS)
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._under_way: list[Done] = []
        self._frames = FrameBuffer(_REPLY_BYTES_MAX)
        self._is_scheduled = False

    def _use(self, operations: Operations) -> None:
        self._make, self._expected = maker(operations), answer_to(operations)

    def submit_for(self, operations: Operations) -> Submit:
        """What sends such operations."""
        self._use(operations)
        return self.submit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()

    def submit(self, number: int, done: Done) -> None:
        """Send an operation, now or with the next request."""
        self._waiting.append((self._make(number), done))
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._under_way and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_scheduled = False
        count = min(len(self._waiting), _OPERATIONS_MAX)
        chosen = [self._waiting.popleft() for _ in range(count)]
        self._under_way = [done for _, done in chosen]
        self._transport.write(frame(_encode([operation for operation, _ in chosen])))

    def data_received(self, data: bytes) -> None:
        """The results of the request that is under way."""
        for payload in self._frames.feed(data):
            answered, self._under_way = self._under_way, []
            for done, result in zip(answered, _decode(payload), strict=True):
                done(result == self._expected)
            self._schedule()


async def _run(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    while True:
        try:
            transport, client = await loop.create_connection(Client, host, port)
            break
        except ConnectionRefusedError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)
    await serve(client.submit_for)
    transport.close()

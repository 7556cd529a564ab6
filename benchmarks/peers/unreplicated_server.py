"""The Redis engine that Quorate replicates, in one process and without replication: what the protocol costs is the
difference. A request is a frame with operations, its reply a frame with their results.

`python -m benchmarks.peers.unreplicated_server HOST PORT`
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import msgspec
import uvloop

from quorate.core.ports import Context
from quorate.net.framing import FrameBuffer, frame
from quorate.services.redis import RedisService

_REQUEST_BYTES_MAX = 1 << 24
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: RedisService) -> None:
        self._service = service
        self._frames = FrameBuffer(_REQUEST_BYTES_MAX)
        self._sequence_number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Execute what is asked for and answer at once."""
        replies = [self._answer(request) for request in self._frames.feed(data)]
        if replies:
            self._transport.write(b"".join(replies))

    def _answer(self, request: bytes) -> bytes:
        self._sequence_number += 1
        context = Context(bytes(32), time.time_ns() // 1000, bytes(32), self._sequence_number)
        execute = self._service.execute
        return frame(_encode([execute(operation, context) for operation in _decode(request)]))


async def _run(host: str, port: int) -> None:
    service = RedisService()
    server = await asyncio.get_running_loop().create_server(lambda: Server(service), host, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1], int(sys.argv[2])))

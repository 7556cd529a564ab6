"""The delay in the transport: what arrives late, and what is written to who is gone already."""

from __future__ import annotations

import asyncio

from benchmarks.delayed import make_loop_class

SECONDS = 1.0


class _Side(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_gone = self.loop.create_future()
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data

    def connection_lost(self, exc):
        self.is_gone.set_result(None)


def test_who_does_not_know_yet_that_the_other_is_gone_may_write():
    """As on a long line: the program that writes is not the one that fails."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        sides = []
        server = await loop.create_server(lambda: sides.append(_Side()) or sides[-1], "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(_Side, "127.0.0.1", port)
        transport.write(b"farewell")
        while not (sides and sides[0].received):
            await asyncio.sleep(0.001)
        transport.abort()
        try:
            sides[0].transport.write(b"answer")
            await asyncio.sleep(SECONDS / 5)
            sides[0].transport.write(b"answer")
        finally:
            await sides[0].is_gone
            server.close()
            await server.wait_closed()

    with asyncio.Runner(loop_factory=make_loop_class(SECONDS)) as runner:
        runner.run(asyncio.wait_for(scenario(), 20))

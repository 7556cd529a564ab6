"""Target: a whole listener on a real port, with strangers' bytes and with a member's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from fuzz.source import Source
from net.conftest import Recorder, members_of
from net.test_attacks_on_links import RawPeer
from quorate.net.framing import frame
from quorate.net.limits import LinkLimits
from quorate.net.links import Listener, listen

CLIENT = 4
LIMITS = LinkLimits(handshake_seconds=2.0)
MEMBERS = members_of()


def listener(data: bytes) -> None:
    """Whatever comes, from strangers or over a client's link: nothing is raised, and the next client is served."""
    with asyncio.Runner() as runner:
        runner.run(_scenario(Source(data)))


async def _scenario(source: Source) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: raised.append(context))
    handler = Recorder()
    server = await listen("127.0.0.1", 0, MEMBERS.identity(0), handler, LIMITS)
    try:
        for _ in range(1 + source.below(3)):
            await _attack(server, source)
        await _is_served(server, handler)
    finally:
        server.close()
        await server.wait_closed()
    assert raised == []


async def _attack(server: Listener, source: Source) -> None:
    """One connection: bytes at once, or after a client's handshake, or after a part of it."""
    peer = await RawPeer.connect(server)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        match source.below(3):
            case 1:
                await peer.shake_hands(MEMBERS, CLIENT)
            case 2:
                peer.hello(MEMBERS, source.below(6))
        for _ in range(source.below(4)):
            peer.writer.write(source.piece(64))
            await peer.writer.drain()
            await asyncio.sleep(0)
        if source.below(2):
            peer.writer.write(frame(source.piece(200)))
    await peer.close()


async def _is_served(server: Listener, handler: Recorder) -> None:
    count = len(handler.links)
    peer = await RawPeer.connect(server)
    await peer.shake_hands(MEMBERS, CLIENT)
    peer.writer.write(frame(b"served?"))
    async with asyncio.timeout(5):
        await handler.until(lambda recorder: len(recorder.links) > count and b"served?" in recorder.frames)
    await peer.close()

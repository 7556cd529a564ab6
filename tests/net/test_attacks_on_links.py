"""What strangers and faulty members throw at a port (B20): the link closes with a reason, which is counted."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest

from quorate.net.connection import FRAME_TOO_LARGE, FrameBytesMax, Link
from quorate.net.framing import client_frame_bytes_max_of
from quorate.net.handshake import HELLO_BYTES, NONCE_BYTES, PROOF_BYTES, Handshake, Peer, Refusal, Role, refusal_bytes
from quorate.net.limits import LinkLimits, Meter, Rate
from quorate.net.links import LINKS_OPENED, Listener, _Opener, listen

CLIENT, STRANGER = 4, 5


class RawPeer:
    """The other end of a connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, listener: Listener) -> RawPeer:
        return cls(*await asyncio.open_connection("127.0.0.1", listener.port))

    def hello(self, members: Any, member: int) -> Handshake:
        handshake = Handshake(members.identity(member), Role.DIALER, bytes(NONCE_BYTES))
        self.writer.write(handshake.hello)
        return handshake

    async def shake_hands(self, members: Any, member: int) -> None:
        handshake = self.hello(members, member)
        self.writer.write(handshake.feed(await self.reader.readexactly(HELLO_BYTES)))
        handshake.feed(await self.reader.readexactly(PROOF_BYTES))
        assert handshake.peer is not None

    async def read_to_end(self) -> bytes:
        """What comes until the other side closes; closing in the midst of our bytes resets the connection."""
        data = b""
        with suppress(ConnectionError):
            while chunk := await self.reader.read(65536):
                data += chunk
        return data

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def counted(listener: Listener, reason: str, count: int = 1) -> None:
    """Wait until the listener has counted *reason* so often."""
    while listener.counters.get(reason, 0) < count:
        await asyncio.sleep(0)


async def stop(listener: Listener, *peers: RawPeer) -> None:
    for peer in peers:
        await peer.close()
    listener.close()
    await listener.wait_closed()


GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    bytes(1000),
    b"\xff" * 100_000,
    *[random.Random(seed).randbytes(200) for seed in range(5)],
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_closes_the_connection_and_is_counted(
    members: Any, make_recorder: Any, run: Any, garbage: bytes
) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler)
        peer = await RawPeer.connect(listener)
        peer.writer.write(garbage)

        await peer.read_to_end()

        speaks_tls = garbage[:1] == b"\x16"
        await counted(listener, (Refusal.WITH_TLS if speaks_tls else Refusal.NOT_QUORATE).text)
        assert handler.links == []
        await stop(listener, peer)

    run(scenario())


def test_a_stranger_is_told_that_its_key_is_unknown(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler)
        peer = await RawPeer.connect(listener)
        peer.hello(members, STRANGER)

        assert (await peer.read_to_end())[HELLO_BYTES:] == refusal_bytes(Refusal.UNKNOWN_KEY)
        assert listener.counters == {Refusal.UNKNOWN_KEY.text: 1}
        assert handler.links == []
        await stop(listener, peer)

    run(scenario())


def test_a_member_that_cannot_prove_its_key_is_refused(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler)
        peer = await RawPeer.connect(listener)
        peer.hello(members, CLIENT)
        peer.writer.write(b"P" + bytes(PROOF_BYTES - 1))

        answer = await peer.read_to_end()

        assert answer[HELLO_BYTES:] == refusal_bytes(Refusal.PROOF)
        assert listener.counters == {Refusal.PROOF.text: 1}
        assert handler.links == []
        await stop(listener, peer)

    run(scenario())


def test_silence_ends(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        limits = LinkLimits(handshake_seconds=0.05)
        listener = await listen("127.0.0.1", 0, members.identity(0), make_recorder(), limits)
        peer = await RawPeer.connect(listener)

        assert (await peer.read_to_end())[HELLO_BYTES:] == refusal_bytes(Refusal.SILENCE)
        assert listener.counters == {Refusal.SILENCE.text: 1}
        await stop(listener, peer)

    run(scenario())


def test_connections_that_prove_nothing_are_bounded_and_the_oldest_gives_way(
    members: Any, make_recorder: Any, run: Any
) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler, LinkLimits(handshakes_max=3))
        silent = []
        for _ in range(6):
            peer = await RawPeer.connect(listener)
            await peer.reader.readexactly(HELLO_BYTES)
            silent.append(peer)
        honest = await RawPeer.connect(listener)
        await honest.shake_hands(members, CLIENT)

        for peer in silent[:4]:
            assert await peer.read_to_end() == refusal_bytes(Refusal.TOO_MANY)
        assert listener.counters[Refusal.TOO_MANY.text] == 4
        await handler.opened()
        await stop(listener, honest, *silent)

    run(scenario())


@pytest.mark.parametrize("excess", [1, 2**32 - 1 - (2 << 20)])
def test_an_oversize_frame_closes_the_link_and_is_counted(
    members: Any, make_recorder: Any, run: Any, excess: int
) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler)
        peer = await RawPeer.connect(listener)
        await peer.shake_hands(members, CLIENT)
        await handler.opened()
        limit = client_frame_bytes_max_of(members.configuration)

        peer.writer.write((limit + excess).to_bytes(4, "big") + bytes(1000))
        await handler.until(lambda recorder: bool(recorder.reasons))

        assert handler.reasons == [
            f"{FRAME_TOO_LARGE}: a frame of {limit + excess} bytes is above the limit of {limit}"
        ]
        assert handler.frames == []
        assert listener.counters == {LINKS_OPENED: 1, FRAME_TOO_LARGE: 1}
        await stop(listener, peer)

    run(scenario())


def test_a_peer_that_does_not_read_costs_a_bounded_queue_and_loses_the_newest(
    members: Any, make_recorder: Any, run: Any
) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        limits = LinkLimits(queue_bytes_max=1 << 20)
        listener = await listen("127.0.0.1", 0, members.identity(0), handler, limits)
        peer = await RawPeer.connect(listener)
        await peer.shake_hands(members, CLIENT)
        link = await handler.opened()
        chunk = bytes(100_000)

        queued = 0
        while link.counters.dropped < 10:
            queued += link.send(queued.to_bytes(4, "big") + chunk)
            await asyncio.sleep(0)
        assert link._outbox._size <= limits.queue_bytes_max

        for number in range(queued):
            size = int.from_bytes(await peer.reader.readexactly(4), "big")
            frame = await peer.reader.readexactly(size)
            assert int.from_bytes(frame[:4], "big") == number, "what was queued arrives whole and in order"
        assert link.send(b"there is room again")
        await stop(listener, peer)

    run(scenario())


def test_one_frame_may_always_wait(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        handler = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), handler, LinkLimits(queue_bytes_max=10))
        peer = await RawPeer.connect(listener)
        await peer.shake_hands(members, CLIENT)
        link = await handler.opened()

        assert link.send(b"larger than the queue")
        assert not link.send(b"x")
        assert await peer.reader.readexactly(25) == (21).to_bytes(4, "big") + b"larger than the queue"
        await stop(listener, peer)

    run(scenario())


class PausableTransport(asyncio.Transport):
    """Notes whether its protocol wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def test_a_peer_above_its_rate_is_not_read_for_a_while(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        handler, transport = make_recorder(), PausableTransport()
        limits = LinkLimits(client_rate=Rate(bytes_per_second=1e6, frames_per_second=1e6, burst_seconds=0.001))
        meter, sizes = Meter(limits.client_rate), FrameBytesMax(1 << 20, 1 << 20)
        link = Link(Peer(b"k", None, "client"), transport, handler, limits, sizes, lambda *_: None, meter)
        flood = ((4).to_bytes(4, "big") + b"abcd") * 2000

        link.data_received(flood)
        link.data_received(flood)

        assert len(handler.frames) == 4000, "what was read already is handed over"
        assert transport.calls == ["pause"]
        while transport.calls != ["pause", "resume"]:
            await asyncio.sleep(0)

    run(scenario())


def test_all_links_of_a_client_share_one_rate(members: Any, make_recorder: Any) -> None:
    """Dialling more often brings a client no more; replicas are measured by the link."""
    opener = _Opener(members.identity(0), make_recorder(), LinkLimits())
    alice, bob = Peer(b"a" * 32, None, "client a"), Peer(b"b" * 32, None, "client b")
    replica = Peer(b"r" * 32, 1, "replica 1")
    assert opener.meter_of(alice) is opener.meter_of(alice)
    assert opener.meter_of(alice) is not opener.meter_of(bob)
    assert opener.meter_of(replica) is not opener.meter_of(replica)

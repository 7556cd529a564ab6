"""Whatever is thrown at the ports, the cluster goes on, and `status` shows what came."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from quorate.auth.authenticator import ClientAuthenticator
from quorate.cli.addresses import LOOPBACK, free_ports
from quorate.config import Settings
from quorate.folder import create_cluster, load_client
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import Request
from quorate.net.links import Dialer, Identity, Link

pytestmark = pytest.mark.processes


class Connected:
    """A link handler that says when each link is open, and ignores what comes."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    def link_opened(self, link: Link) -> None:
        self.opened.set()

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        pass

    def link_closed(self, link: Link, reason: str) -> None:
        self.closed.set()


def throw_as_client(cluster: Any, throw: Callable[[Link], None]) -> None:
    """Open a proper link to every replica, as the client, and throw something."""
    key_pair, configuration = load_client(cluster.directory)

    async def main() -> None:
        for member in configuration.replicas:
            handler = Connected()
            public_key = bytes.fromhex(member.public_key)
            identity = Identity(key_pair, configuration)
            dialer = Dialer(identity, member.host, member.port, public_key, handler)
            async with asyncio.timeout(10):
                await handler.opened.wait()
            assert dialer.link is not None
            throw(dialer.link)
            dialer.close()
            await dialer.wait_closed()

    asyncio.run(main())


def refused(cluster: Any) -> dict[int, dict[tuple[str, str], int]]:
    """What each replica says that it refused: (peer, reason) -> count."""
    return {
        replica["id"]: {(row["peer"], row["reason"]): row["count"] for row in replica["refused"]}
        for replica in cluster.status()["replicas"]
    }


def assert_all_refused(cluster: Any, helpers: Any, peer: str, reason: str, count: int = 1) -> None:
    def shown() -> bool:
        return all(rows.get((peer, reason), 0) >= count for rows in refused(cluster).values())

    helpers.eventually(shown, f"{reason!r} of {peer} in the status of every replica")


def assert_works(cluster: Any) -> None:
    with cluster.redis() as client:
        assert client.set("still", "here")
        assert client.get("still") == b"here"


def throw_bytes(port: int, data: bytes) -> bytes:
    """Connect, send, and read until the other side closes or falls silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.settimeout(2)
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def test_garbage_at_every_replicas_port(shared_cluster: Any, helpers: Any) -> None:
    _, configuration = load_client(shared_cluster.directory)
    noise = random.Random(7)
    for member in configuration.replicas:
        for data in (b"", b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000, noise.randbytes(300_000)):
            throw_bytes(member.port, data)

    assert_all_refused(shared_cluster, helpers, "strangers", "does not speak Quorate's protocol", 4)
    assert_works(shared_cluster)


def test_garbage_and_oversize_commands_at_the_gateway(shared_cluster: Any) -> None:
    noise = random.Random(8)
    for data in (
        b"*-2\r\n",
        b"*99999999999\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*1\r\n$x\r\n",
        b"x" * 200_000,
        noise.randbytes(100_000),
        b"\x00" * 100_000,
    ):
        throw_bytes(shared_cluster.redis_port, data)

    assert throw_bytes(shared_cluster.redis_port, b"*1\r\n$99999999999\r\n").startswith(b"-ERR Protocol error")
    assert_works(shared_cluster)


def test_frames_that_are_nothing_by_a_members_link(shared_cluster: Any, helpers: Any) -> None:
    noise = random.Random(9)

    def throw(link: Link) -> None:
        for size in (0, 1, 10, 1000, 100_000):
            assert link.send(noise.randbytes(size))

    throw_as_client(shared_cluster, throw)

    assert_all_refused(shared_cluster, helpers, "client client", "malformed", 5)
    assert_works(shared_cluster)


def test_a_frame_above_the_limit_closes_the_link(shared_cluster: Any, helpers: Any) -> None:
    def throw(link: Link) -> None:
        link._transport.write(b"\xff\xff\xff\xff" + b"x" * 1000)

    throw_as_client(shared_cluster, throw)

    assert_all_refused(shared_cluster, helpers, "client client", "frame too large")
    assert_works(shared_cluster)


def test_a_client_that_lies_about_its_signature(shared_cluster: Any, helpers: Any) -> None:
    key_pair, configuration = load_client(shared_cluster.directory)
    client = ClientAuthenticator(key_pair, configuration)
    honest = decode_envelope(client.seal(Request(key_pair.public_key, 0, 1, ())))
    lie = encode_envelope(Envelope(honest.payload, bytes(64)))
    stolen = client.seal(Request(bytes.fromhex(configuration.replicas[0].public_key), 0, 1, ()))

    def throw(link: Link) -> None:
        assert link.send(lie)
        assert link.send(stolen)

    throw_as_client(shared_cluster, throw)

    assert_all_refused(shared_cluster, helpers, "client client", "Request is not authentic", 2)
    assert_works(shared_cluster)


def test_a_client_that_lies_about_its_macs_to_the_backups(start_cluster: Any, helpers: Any, tmp_path: Any) -> None:
    """The Big MAC attack (C1): a request that the primary can check and the backups cannot."""
    directory = tmp_path / "macs"
    addresses = [(LOOPBACK, port) for port in free_ports(4)]
    create_cluster(directory, addresses, "redis", Settings(request_authentication="mac"))
    cluster = start_cluster(directory=directory).wait_until_up()
    key_pair, configuration = load_client(directory)
    sealed = ClientAuthenticator(key_pair, configuration).seal(Request(key_pair.public_key, 0, 1, ()))
    honest = decode_envelope(sealed)
    for_primary_alone = honest.authentication[:16] + bytes(16 * 3)
    lie = encode_envelope(Envelope(honest.payload, for_primary_alone))

    def throw(link: Link) -> None:
        assert link.send(lie)

    throw_as_client(cluster, throw)

    def backups_refused() -> bool:
        rows = refused(cluster)
        return all(("client client", "Request is not authentic") in rows[replica_id] for replica_id in (1, 2, 3))

    helpers.eventually(backups_refused, "the lie in the status of every backup")
    helpers.eventually(lambda: _sets(cluster), "the service to go on", 40.0)


def _sets(cluster: Any) -> bool:
    with cluster.redis(socket_timeout=20) as client:
        return bool(client.set("still", "here"))

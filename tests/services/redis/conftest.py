"""A real redis-server beside the service, and ways to ask both."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import hiredis
import pytest

from quorate.cli.addresses import free_ports
from quorate.core.ports import Context
from quorate.services.conformance import leaves_of
from quorate.services.redis import Pipeline, RedisService, encode_operation

AGREED_TIME = 1_700_000_000_000_000


def command(*arguments: object) -> bytes:
    """A command as it travels."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Oracle:
    """One connection to the real server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, *arguments: object) -> bytes:
        """The raw reply to one command."""
        self._socket.sendall(command(*arguments))
        reader = hiredis.Reader(notEnoughData=self)
        reply = b""
        while True:
            received = self._socket.recv(1 << 16)
            assert received, f"redis-server closed the connection at {arguments}"
            reply += received
            reader.feed(received)
            if reader.gets() is not self:
                return reply

    def start_over(self, protocol: int) -> None:
        """An empty server, spoken to in a version of the protocol."""
        self.ask("HELLO", protocol)
        self.ask("SELECT", 0)
        self.ask("FLUSHALL")

    def close(self) -> None:
        self._socket.close()


class Subject:
    """A Redis service of one's own, asked like a server. Time stands still until it is moved."""

    def __init__(self, protocol: int = 2) -> None:
        self.service = RedisService()
        self.protocol = protocol
        self.time = AGREED_TIME
        self.asked = 0

    def context(self) -> Context:
        return Context(b"c" * 32, self.time, b"%032d" % self.asked, self.asked)

    def ask(self, *arguments: object, database: int = 0) -> bytes:
        """The raw reply to one command."""
        return self.run(command(*arguments), database)

    def run(self, commands: bytes, database: int = 0) -> bytes:
        """The raw replies to a pipeline."""
        self.asked += 1
        return self.service.execute(encode_operation(Pipeline(database, self.protocol, commands)), self.context())

    def checkpoint(self, number: int) -> bytes:
        """Take a checkpoint and wait for its digest."""
        digest = self.service.checkpoint(number)
        while digest is None:
            digest = self.service.digest(number)
        return digest

    def successor(self) -> Subject:
        """A service that has fetched the state of this one and goes on from there."""
        digest = self.checkpoint(1)
        other = Subject(self.protocol)
        other.service.install(1, leaves_of(self.service, 1, digest))
        other.time, other.asked = self.time, self.asked
        return other


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A redis-server for the session, on a port of its own."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (apt install redis-server): nothing to compare with")
    port = free_ports(1)[0]
    folder: Path = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen([binary, *options], stdout=log, stderr=log) as server:
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("redis-server did not start")


@pytest.fixture
def oracle(redis_port: int) -> Iterator[Oracle]:
    """A connection to an empty real server."""
    connection = Oracle(redis_port)
    connection.start_over(2)
    yield connection
    connection.close()


@pytest.fixture
def subject() -> Subject:
    """A new service that answers in RESP2."""
    return Subject()


@pytest.fixture
def new_subject() -> type[Subject]:
    """For tests that need several services, or RESP3."""
    return Subject

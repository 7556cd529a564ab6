"""A real redis-server, and the gateway on the Redis engine in this process, without a cluster between them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from quorate.cli.addresses import free_ports
from quorate.core.ports import Context
from quorate.errors import RequestFailed
from quorate.gateways.resp import GatewayLimits, RespServer, serve_redis
from quorate.services.redis import RedisService

LOOPBACK = "127.0.0.1"
PATIENCE = 30.0
"""Seconds until a test that waits for something is failed."""


class EngineInvoker:
    """An `Invoker` that has the engine execute at once, or answer what only reads; or it fails, or waits to be told."""

    def __init__(self) -> None:
        self.operations: list[bytes] = []
        self.queries: list[bytes] = []
        """The operations that were answered without being ordered."""
        self.failure: RequestFailed | None = None
        """What every operation fails with, while set."""
        self.refusal: RequestFailed | None = None
        """What `submit` raises, while set."""
        self.is_holding = False
        """Whether operations wait for `release`."""
        self._held: list[tuple[asyncio.Future[bytes], bytes, bool]] = []
        self.reset()

    def reset(self) -> None:
        """An empty store."""
        self._service = RedisService()
        self._sequence_number = 0
        self._time = 0

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """Execute *operation*."""
        if self.refusal is not None:
            raise self.refusal
        self.operations.append(operation)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._held.append((future, operation, only_reads))
        if not self.is_holding:
            self.release()
        return future

    def release(self) -> None:
        """Answer everything that waits, in the order in which it came."""
        held, self._held = self._held, []
        for future, operation, only_reads in held:
            if future.cancelled():
                continue
            if self.failure is not None:
                future.set_exception(self.failure)
            else:
                future.set_result((self._query(operation) if only_reads else None) or self._execute(operation))

    def _query(self, operation: bytes) -> bytes | None:
        answer = self._service.query(operation, Context(b"c" * 32, 0, b"", 0))
        if answer is not None:
            self.queries.append(operation)
        return answer

    def _execute(self, operation: bytes) -> bytes:
        self._sequence_number += 1
        self._time = max(self._time + 1, time.time_ns() // 1000)
        seed = self._sequence_number.to_bytes(32, "big")
        return self._service.execute(operation, Context(b"c" * 32, self._time, seed, self._sequence_number))


class Gateway:
    """A gateway that serves from a thread of its own, for clients that block."""

    def __init__(self, invoker: Any, limits: GatewayLimits) -> None:
        self.invoker = invoker
        self._limits = limits
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))
        self.server: RespServer
        self.port: int

    def start(self) -> None:
        """Serve."""
        self._thread.start()
        assert self._is_up.wait(PATIENCE)

    def call(self, function: Callable[[], Any]) -> Any:
        """Run *function* in the gateway's thread and return its result."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    def stop(self) -> None:
        """Stop and wait for the end."""
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_over = asyncio.Event()
        self.server = await serve_redis(self.invoker, LOOPBACK, 0, limits=self._limits)
        self.port = self.server.address[1]
        self._is_up.set()
        await self._is_over.wait()
        self.server.close()
        await self.server.wait_closed()


@contextmanager
def running_gateway(invoker: Any = None, limits: GatewayLimits | None = None) -> Iterator[Gateway]:
    """A gateway while the block runs."""
    gateway = Gateway(invoker or EngineInvoker(), limits or GatewayLimits(drain_seconds=1.0))
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="session")
def _shared_gateway() -> Iterator[Gateway]:
    with running_gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(_shared_gateway: Gateway) -> Gateway:
    """A gateway with an empty store."""
    _shared_gateway.call(_shared_gateway.invoker.reset)
    return _shared_gateway


@pytest.fixture
def start_gateway() -> Callable[..., AbstractContextManager[Gateway]]:
    """Starts a gateway with an invoker or limits of its own."""
    return running_gateway


@pytest.fixture(scope="session")
def _redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_ports(1)[0]
    folder: Path = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(["/usr/bin/redis-server", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        else:
            pytest.fail("redis-server did not start")
        yield port
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(PATIENCE)


@pytest.fixture
def redis_port(_redis_port: int) -> int:
    """The port of a real, empty redis-server."""
    assert converse(_redis_port, b"FLUSHALL\r\n") == b"+OK\r\n"
    return _redis_port


def converse(port: int, sent: bytes) -> bytes:
    """Send everything, say that nothing more will come, and return all that is answered."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as client:
        client.sendall(sent)
        with suppress(OSError):  # the server may have been quicker to close
            client.shutdown(socket.SHUT_WR)
        received = bytearray()
        while data := client.recv(1 << 16):
            received += data
        return bytes(received)


@pytest.fixture
def talk() -> Callable[[int, bytes], bytes]:
    """Sends bytes to a port and returns all bytes that are answered."""
    return converse

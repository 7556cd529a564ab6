"""The sockets: order, backpressure, limits, failures, and a stop that loses no reply."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest
import redis
import uvloop

from quorate.errors import ConfigurationError, RequestRefused, RequestTimeout
from quorate.gateways.resp import GatewayLimits, RespServer, ScanLimits, serve_redis
from quorate.gateways.resp.server import BUFFERED_BYTES_MAX
from quorate.services.redis import Pipeline, decode_operation
from quorate.services.redis.operation import encode_command

LOOPBACK = "127.0.0.1"
TOO_LONG = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
PATIENCE = 30.0
SET = encode_command([b"SET", b"key", b"value"])
GET = encode_command([b"GET", b"key"])
VALUE = b"$5\r\nvalue\r\n"

StartGateway = Callable[..., AbstractContextManager[Any]]


class Manual:
    """An invoker whose operations the test answers."""

    def __init__(self) -> None:
        self.outstanding: asyncio.Queue[tuple[bytes, asyncio.Future[bytes]]] = asyncio.Queue()

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """Wait for the test."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        decoded = decode_operation(operation)
        assert isinstance(decoded, Pipeline)
        self.outstanding.put_nowait((decoded.commands, future))
        return future

    async def next(self) -> tuple[bytes, asyncio.Future[bytes]]:
        """The commands of the next operation, and where its result goes."""
        return await asyncio.wait_for(self.outstanding.get(), PATIENCE)


Scenario = Callable[[Manual, RespServer, Any], Coroutine[Any, Any, None]]


def run(scenario: Scenario, limits: GatewayLimits | None = None) -> None:
    """Run *scenario* with a server in its loop, and with a function that connects a client to it."""

    async def main() -> None:
        invoker = Manual()
        writers: list[asyncio.StreamWriter] = []
        server = await serve_redis(invoker, LOOPBACK, 0, limits=limits or GatewayLimits(drain_seconds=0.2))

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*server.address)
            writers.append(writer)
            return reader, writer

        try:
            await asyncio.wait_for(scenario(invoker, server, connect), PATIENCE)
        finally:
            for writer in writers:
                writer.transport.abort()
            server.close()
            await server.wait_closed()

    uvloop.run(main())


def test_replies_come_in_order_one_operation_at_a_time() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(SET)
        commands, answer = await invoker.next()
        assert commands == SET
        writer.write(GET + b"CLIENT SETNAME bob\r\nCLIENT GETNAME\r\n" + GET)
        await writer.drain()
        other_reader, other_writer = await connect()
        other_writer.write(GET)
        _, other_answer = await invoker.next()
        other_answer.set_result(b"$-1\r\n")
        assert await other_reader.readexactly(5) == b"$-1\r\n"
        assert invoker.outstanding.empty()

        answer.set_result(b"+OK\r\n")
        for _ in range(2):
            commands, answer = await invoker.next()
            assert commands == GET
            answer.set_result(VALUE)

        expected = b"+OK\r\n" + VALUE + b"+OK\r\n$3\r\nbob\r\n" + VALUE
        assert await reader.readexactly(len(expected)) == expected

    run(scenario)


def test_a_client_that_ends_its_side_still_gets_its_replies() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(SET + b"SELECT 1\r\n" + GET)
        writer.write_eof()
        for reply in (b"+OK\r\n", VALUE):
            _, answer = await invoker.next()
            answer.set_result(reply)

        assert await reader.read() == b"+OK\r\n+OK\r\n" + VALUE

    run(scenario)


def test_a_client_that_is_gone_is_forgotten() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        _, writer = await connect()
        writer.write(SET + b"SELECT 1\r\n" + GET)
        _, answer = await invoker.next()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()  # and so a reset, not the end of one side
        other_reader, other_writer = await connect()
        while server.client_count > 1:
            other_writer.write(b"CLIENT ID\r\n")
            await other_reader.readline()

        answer.set_result(b"+OK\r\n")
        other_writer.write(b"CLIENT ID\r\n")
        await other_reader.readline()

        assert invoker.outstanding.empty()
        assert len(server.roster.sessions) == 1

    run(scenario)


def test_a_client_that_sends_too_far_ahead_is_not_read() -> None:
    """Until its outstanding operation is answered: what the kernel holds for it is the kernel's."""

    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(SET)
        _, answer = await invoker.next()
        total = 64 << 20
        writer.write(SET * (total // len(SET)))
        other_reader, other_writer = await connect()
        for _ in range(1000):
            other_writer.write(b"CLIENT ID\r\n")
            await other_reader.readline()
        waiting = writer.transport.get_write_buffer_size()
        assert waiting > total // 2

        received = answered = 1
        answer.set_result(b"+OK\r\n")
        while answered < total // len(SET):
            commands, answer = await invoker.next()
            assert len(commands) <= BUFFERED_BYTES_MAX
            received = len(commands) // len(SET)
            answered += received
            answer.set_result(b"+OK\r\n" * received)
            await reader.readexactly(5 * received)

    run(scenario)


def test_a_large_command_behind_an_outstanding_one_is_read_to_its_end() -> None:
    """What is buffered of it exceeds what a client may send ahead, but it must be read to be of use."""

    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        large = encode_command([b"SET", b"key", b"x" * (3 * BUFFERED_BYTES_MAX)])
        writer.write(SET)
        _, answer = await invoker.next()
        writer.write(large)
        other_reader, other_writer = await connect()
        for _ in range(100):
            other_writer.write(b"CLIENT ID\r\n")
            await other_reader.readline()

        answer.set_result(b"+OK\r\n")
        commands, answer = await invoker.next()
        assert commands == large
        answer.set_result(b"+OK\r\n")
        assert await reader.readexactly(10) == b"+OK\r\n+OK\r\n"

    run(scenario)


def test_a_client_that_does_not_read_gets_no_more_operations() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(GET + b"SELECT 1\r\n" + GET)
        _, answer = await invoker.next()
        large = b"$%d\r\n%b\r\n" % (64 << 20, b"x" * (64 << 20))
        answer.set_result(large)
        other_reader, other_writer = await connect()
        for _ in range(100):
            other_writer.write(b"CLIENT ID\r\n")
            await other_reader.readline()
        assert invoker.outstanding.empty()

        assert await reader.readexactly(len(large)) == large
        _, answer = await invoker.next()
        answer.set_result(VALUE)
        assert await reader.readexactly(len(VALUE) + 5) == b"+OK\r\n" + VALUE

    run(scenario)


def test_a_stop_answers_what_is_outstanding_and_starts_nothing_more() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        idle_reader, idle_writer = await connect()
        writer.write(SET)
        _, answer = await invoker.next()
        writer.write(GET)
        await writer.drain()
        idle_writer.write(b"CLIENT ID\r\n")
        await idle_reader.readline()

        server.close()
        assert await idle_reader.read() == b""
        answer.set_result(b"+OK\r\n")
        assert await reader.read() == b"+OK\r\n"
        await server.wait_closed()

        assert server.client_count == 0
        assert invoker.outstanding.empty()

    run(scenario, GatewayLimits(drain_seconds=PATIENCE))


def test_a_stop_does_not_wait_for_ever() -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(SET)
        await invoker.next()

        server.close()
        await server.wait_closed()

        assert server.client_count == 0
        assert await reader.read() == b""

    run(scenario, GatewayLimits(drain_seconds=0.0))


@pytest.mark.parametrize(
    ("break_it", "beginning"),
    [
        (lambda answer: answer.cancel(), b"-TIMEOUT "),
        (lambda answer: answer.set_exception(OSError("no")), b"-TIMEOUT "),
        (lambda answer: answer.set_exception(RequestRefused("no")), b"-ERR quorate: no\r\n"),
    ],
)
def test_whatever_happens_to_an_operation_its_commands_get_errors(
    break_it: Callable[[asyncio.Future[bytes]], Any], beginning: bytes
) -> None:
    async def scenario(invoker: Manual, server: RespServer, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(SET + GET)
        _, answer = await invoker.next()
        break_it(answer)
        for _ in range(2):
            assert (await reader.readline()).startswith(beginning)
        writer.write(GET)
        _, answer = await invoker.next()
        answer.set_result(VALUE)
        assert await reader.readexactly(len(VALUE)) == VALUE

    run(scenario)


def test_submit_may_refuse_at_once(start_gateway: StartGateway, talk: Callable[[int, bytes], bytes]) -> None:
    with start_gateway() as gateway:
        gateway.invoker.refusal = RequestRefused("too large")
        assert talk(gateway.port, SET * 2 + b"SELECT 1\r\n" + SET) == (
            b"-ERR quorate: too large\r\n" * 2 + b"+OK\r\n" + b"-ERR quorate: too large\r\n"
        )


def test_a_failing_cluster(start_gateway: StartGateway, talk: Callable[[int, bytes], bytes]) -> None:
    with start_gateway() as gateway:
        gateway.invoker.failure = RequestTimeout("no answer in 2 s")
        sent = b"PING\r\nWATCH a\r\nMULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nGET a\r\nEXEC\r\nCLIENT GETNAME\r\n"
        replies = talk(gateway.port, sent).split(b"\r\n")

        assert [reply.partition(b" ")[0] for reply in replies] == (
            [b"-TIMEOUT", b"-TIMEOUT", b"+OK", b"+QUEUED", b"-EXECABORT", b"+OK", b"+QUEUED", b"-TIMEOUT", b"$-1", b""]
        )


def test_too_many_clients_are_told_so(start_gateway: StartGateway, talk: Callable[[int, bytes], bytes]) -> None:
    with start_gateway(limits=GatewayLimits(clients=1)) as gateway:
        with closing(socket.create_connection((LOOPBACK, gateway.port), PATIENCE)) as first:
            first.sendall(b"CLIENT ID\r\n")
            assert first.recv(100) == b":1\r\n"
            with closing(socket.create_connection((LOOPBACK, gateway.port), PATIENCE)) as second:
                assert second.recv(100) == b"-ERR max number of clients reached\r\n"
                assert second.recv(100) == b""
        while gateway.call(lambda: gateway.server.client_count):
            pass
        assert talk(gateway.port, b"CLIENT GETNAME\r\n") == b"$-1\r\n"


def test_limits_of_the_command_line_reach_the_scanner(
    start_gateway: StartGateway, talk: Callable[[int, bytes], bytes]
) -> None:
    with start_gateway(limits=GatewayLimits(scan=ScanLimits(command_bytes=5000, argument_bytes=300))) as gateway:
        for size in (301, 5001):
            sent = b"PING\r\n*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\nPING\r\n" % (size, b"x" * size)
            assert talk(gateway.port, sent) == b"+PONG\r\n" + TOO_LONG + b"+PONG\r\n"


def test_a_value_that_is_too_large_is_an_error_and_the_connection_lives(start_gateway: StartGateway) -> None:
    with start_gateway() as gateway, redis.Redis(port=gateway.port, protocol=3) as client:
        connection = client.client_id()
        for size in ((8 << 20) + 1, 20 << 20):
            with pytest.raises(redis.ResponseError, match="string exceeds maximum allowed size"):
                client.set("key", b"x" * size)
        with pytest.raises(redis.ResponseError, match="the command is too large, the limit is 2097152 bytes"):
            client.mset({"one": b"x" * (1 << 20), "two": b"x" * (1 << 20)})
        with client.pipeline() as pipeline:
            pipeline.set("key", "value").set("key", b"x" * (9 << 20))
            with pytest.raises(redis.ResponseError, match="string exceeds maximum allowed size"):
                pipeline.execute()
        assert client.get("key") is None
        assert client.client_id() == connection


def test_what_is_no_redis_protocol_is_counted_and_logged_now_and_then(
    start_gateway: StartGateway, talk: Callable[[int, bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with start_gateway() as gateway:
        for _ in range(3):
            talk(gateway.port, b"*-2\r\n*x\r\n")
        talk(gateway.port, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        counts = gateway.call(lambda: dict(gateway.server.refusals.counts))

    assert counts == {"invalid multibulk length": 3, "HTTP": 1}
    told = [record for record in caplog.records if record.getMessage() == "client-refused"]
    assert [record.__dict__["fields"]["reason"] for record in told] == ["invalid multibulk length", "HTTP"]
    assert {record.levelname for record in told} == {"WARNING"}
    assert told[0].__dict__["fields"]["peer"].startswith("127.0.0.1:")


@pytest.mark.parametrize(("host", "reason"), [(LOOPBACK, "is in use"), ("203.0.113.1", "cannot be had")])
def test_an_address_that_cannot_be_had_names_the_option(host: str, reason: str) -> None:
    async def main() -> None:
        with closing(socket.create_server((LOOPBACK, 0))) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigurationError, match=f"{host}:{port} {reason}.*--redis"):
                await serve_redis(Manual(), host, port, option="--redis")

    uvloop.run(main())

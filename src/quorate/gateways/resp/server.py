"""The gateway's sockets: Redis clients on one side, an `Invoker` on the other."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from quorate.errors import ConfigurationError, RequestFailed, RequestTimeout
from quorate.gateways.ports import Invoker
from quorate.gateways.resp import replies
from quorate.gateways.resp.connection import OUTPUT_BYTES_MAX, Connection
from quorate.gateways.resp.limits import ScanLimits
from quorate.gateways.resp.refusals import Refusals
from quorate.gateways.resp.session import Roster, Session
from quorate.gateways.resp.users import DEFAULT, User, Users

BUFFERED_BYTES_MAX: Final = 512 * 1024
"""What a client may send ahead of the operation that is outstanding; then it is not read until that is answered."""
_BACKLOG: Final = 511
_FILES_FOR_OTHERS: Final = 64
"""File descriptors that are not clients: links to replicas, the log, the loop's own."""
_TOO_MANY_CLIENTS: Final = replies.error(b"ERR max number of clients reached")


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What a gateway takes on."""

    clients: int = 10_000
    """Fewer when the system does not give that many file descriptors."""
    answer_seconds: float | None = 30.0
    """How long a command may wait for the cluster before its client is told that the outcome is unknown."""
    drain_seconds: float = 3.0
    """How long a stop waits for outstanding replies."""
    scan: ScanLimits = field(default_factory=ScanLimits)


async def serve_redis(
    invoker: Invoker,
    host: str = "127.0.0.1",
    port: int = 6379,
    *,
    limits: GatewayLimits | None = None,
    option: str = "--listen",
    password: bytes | None = None,
    users: Iterable[User] = (),
) -> RespServer:
    """Serve Redis clients on *host*:*port* (0: any free port) until the server is closed.

    Commands are executed by *invoker*; after AUTH by that of the user among *users*. Without a *password* whoever
    reaches the port may do what *invoker* may. Raises ConfigurationError, which names
    *option*, when the address cannot be had.
    """
    server = RespServer(Users(User(DEFAULT, password, invoker), users), limits or GatewayLimits())
    try:
        await server.listen(host, port)
    except OSError as error:
        reason = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be had ({error})"
        raise ConfigurationError(f"{host}:{port} {reason}: choose another address with {option}") from None
    return server


class RespServer:
    """A listening socket and its clients."""

    def __init__(self, users: Users, limits: GatewayLimits) -> None:
        self.limits = limits
        self.roster = Roster(asyncio.get_running_loop().time, users)
        self.refusals = Refusals(asyncio.get_running_loop().time)
        self._clients_max = _affordable_clients(limits.clients)
        self.is_stopping = False
        self._clients: set[_Client] = set()
        self._are_all_gone = asyncio.Event()
        self._are_all_gone.set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Open the listening socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port, backlog=_BACKLOG)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        if self._server is None or not self._server.sockets:
            raise ConfigurationError("the gateway does not listen")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def client_count(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def close(self) -> None:
        """Take no more clients and no more commands. What is outstanding is still answered: see `wait_closed`."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.stop()

    async def wait_closed(self) -> None:
        """Wait until every client has its last reply, but no longer than `drain_seconds`."""
        try:
            await asyncio.wait_for(self._are_all_gone.wait(), self.limits.drain_seconds)
        except TimeoutError:
            for client in list(self._clients):
                client.abort()
            await self._are_all_gone.wait()

    def admit(self, client: _Client) -> bool:
        """Count *client* in, unless there are too many or the gateway is stopping."""
        if self.is_stopping:
            return False
        if len(self._clients) >= self._clients_max:
            self.refusals.count("too many clients", client.address)
            return False
        self._clients.add(client)
        self._are_all_gone.clear()
        return True

    def dismiss(self, client: _Client) -> None:
        """A client is gone."""
        self._clients.discard(client)
        if not self._clients:
            self._are_all_gone.set()


class _Client(asyncio.Protocol):
    """One client's socket. All decisions are the `Connection`'s; here bytes move, at most one write a turn."""

    __slots__ = (
        "_answer_seconds",
        "_connection",
        "_has_ended",
        "_is_read_paused",
        "_is_write_paused",
        "_on_answer",
        "_server",
        "_session",
        "_transport",
    )

    _transport: asyncio.Transport
    _session: Session
    _connection: Connection

    def __init__(self, server: RespServer) -> None:
        self._server = server
        self._answer_seconds = server.limits.answer_seconds
        self._has_ended = False
        """The client sends no more; it may still read."""
        self._is_read_paused = False
        self._is_write_paused = False
        self._on_answer = self._receive_answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            transport.set_protocol(asyncio.Protocol())
            self._transport.write(b"" if self._server.is_stopping else _TOO_MANY_CLIENTS)
            transport.close()
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._transport.set_write_buffer_limits(high=OUTPUT_BYTES_MAX)
        roster = self._server.roster
        self._session = roster.open(_address(transport, "peername"), _address(transport, "sockname"))
        self._connection = Connection(self._session, roster, self._server.limits.scan)

    @property
    def address(self) -> str:
        """Where the client is."""
        return _address(self._transport, "peername")

    def data_received(self, data: bytes) -> None:
        connection = self._connection
        self._session.active_at = self._server.roster.clock()
        connection.receive_data(data)
        if not connection.is_waiting:
            self._advance()
        elif connection.buffered_bytes > BUFFERED_BYTES_MAX:
            self._pause_reading()

    def eof_received(self) -> bool:
        self._has_ended = True
        self._advance()
        return True  # stay open for the replies that are still to come; `_settle` closes

    def pause_writing(self) -> None:
        self._is_write_paused = True
        self._pause_reading()

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.abandon()
        self._server.roster.close(self._session)
        self._server.dismiss(self)

    def stop(self) -> None:
        """Take no more commands; close when the last reply is written."""
        self._connection.is_closing = True
        self._pause_reading()
        self._advance()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def _receive_answer(self, answer: asyncio.Future[bytes]) -> None:
        """The outstanding operation has a result, or failed."""
        failure = _failure_of(answer)
        if self._transport.is_closing():
            return  # nobody is left to be told
        if failure is None:
            self._connection.receive_result(answer.result())
        else:
            self._connection.receive_failure(failure)
        self._advance()

    def _advance(self) -> None:
        """Write what is answered and submit the next operation, as long as the client reads its replies."""
        connection = self._connection
        while not self._is_write_paused:
            operation = connection.next_operation()
            if output := connection.take_output():
                self._transport.write(output)
            if operation is None:
                if not (output and connection.buffered_bytes):
                    break
            elif self._start(operation):
                break
        self._settle()

    def _start(self, operation: bytes) -> bool:
        """Submit *operation*; False when it failed at once."""
        try:
            answer = self._session.user.invoker.submit(
                operation, self._answer_seconds, only_reads=self._connection.is_reading
            )
        except RequestFailed as failure:
            self._connection.receive_failure(failure)
            return False
        answer.add_done_callback(self._on_answer)
        return True

    def _settle(self) -> None:
        """Close when nothing more can come of this client; read on when there is room again."""
        connection = self._connection
        if connection.complaint:
            self._server.refusals.count(connection.complaint, self._session.address)
            connection.complaint = ""
        if (connection.is_closing or self._has_ended) and not (connection.is_waiting or self._is_write_paused):
            self._transport.close()
        elif self._is_read_paused and self._can_read():
            self._is_read_paused = False
            self._transport.resume_reading()

    def _can_read(self) -> bool:
        connection = self._connection
        is_far_ahead = connection.is_waiting and connection.buffered_bytes > BUFFERED_BYTES_MAX
        return not (is_far_ahead or self._is_write_paused or connection.is_closing or self._transport.is_closing())

    def _pause_reading(self) -> None:
        if not self._is_read_paused and not self._transport.is_closing():
            self._is_read_paused = True
            self._transport.pause_reading()


def _failure_of(answer: asyncio.Future[bytes]) -> RequestFailed | None:
    """Why there is no result. What is no `RequestFailed` says nothing about the outcome."""
    if answer.cancelled():
        return RequestTimeout("the gateway stopped waiting; it may still be executed, once")
    error = answer.exception()
    if error is None or isinstance(error, RequestFailed):
        return error
    return RequestTimeout(f"{type(error).__name__}: {error}; it may be executed, or have been, once")


def _address(transport: asyncio.BaseTransport, which: str) -> str:
    """One end of the connection, as Redis writes it. It is unknown when the client is gone already."""
    host, port = (transport.get_extra_info(which) or ("?", 0))[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _affordable_clients(wanted: int) -> int:
    """How many clients the file descriptors allow; asks the system for more where it gives them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _FILES_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(soft - _FILES_FOR_OTHERS, 1))

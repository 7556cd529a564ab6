"""The load of etcd: gRPC puts over one HTTP/2 connection, written for the purpose.

gRPC's own client for Python takes some 110 microseconds of processor time an operation, ten times this one's, and on
two cores it would take them from etcd. Each put is a stream of its own, as gRPC has it. All answers are checked: a put
that succeeded brings a message, one that failed brings none.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Sequence
from typing import cast

import uvloop

from benchmarks.load.closed_loop import Done, Submit
from benchmarks.load.operations import VALUE, keys, refuse_others
from benchmarks.load.serving import serve
from benchmarks.plan import Operations
from benchmarks.processes import LOOPBACK

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACKNOWLEDGED = 0x1
_END_HEADERS = 0x4
_FRAME_HEADER = 9
PUT, TRANSACTION = b"/etcdserverpb.KV/Put", b"/etcdserverpb.KV/Txn"
_WINDOW = 65_535
_LARGEST_WINDOW = (1 << 31) - 1


def main(options: dict[str, int]) -> None:
    """`port` is the leader's, for clients; with `together` above 1, so many puts go into one transaction."""
    uvloop.run(_run(options["port"], options["together"]))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def put(key: bytes, value: bytes) -> bytes:
    """A PutRequest: the key is field 1, the value field 2. Below 128 bytes each, so that a length is one byte."""
    return b"\x0a%c%b\x12%c%b" % (len(key), key, len(value), value)


def operation_of_transaction(request: bytes) -> bytes:
    """A put as the RequestOp of a TxnRequest: field 2 of the former (a RequestOp), which is field 2 of the latter
    (`success`: what is done if all of the transaction's conditions hold, of which there are none)."""
    inner = b"\x12%c%b" % (len(request), request)
    return b"\x12%c%b" % (len(inner), inner)


def message_of(request: bytes) -> bytes:
    """A request behind gRPC's prefix: not compressed, and its length."""
    return struct.pack(">BI", 0, len(request)) + request


def _text(value: bytes) -> bytes:
    return b"%c%b" % (len(value), value)


def first_headers(method: bytes = PUT) -> bytes:
    """The header block of the first request (RFC 7541): its last four fields go into the connection's table."""
    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x44" + _text(method),  # :path
            b"\x41" + _text(LOOPBACK.encode()),  # :authority
            b"\x5f" + _text(b"application/grpc"),  # content-type
            b"\x40" + _text(b"te") + _text(b"trailers"),
        )
    )


LATER_HEADERS = bytes((0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62))
"""The header block of all other requests: the same fields, by their places in the tables."""


class Client(asyncio.Protocol):
    """Sends requests without waiting, within the window that the server grants: each a put, or a transaction of the
    puts that were submitted in one turn of the loop."""

    def __init__(self, together: int) -> None:
        self._puts = [put(key, VALUE) for key in keys()]
        self._together = together
        self._headers = first_headers(PUT if together == 1 else TRANSACTION)
        self._stream = 1
        self._window = _WINDOW
        self._submitted: list[tuple[int, Done]] = []
        self._held: deque[tuple[bytes, Sequence[Done]]] = deque()
        self._waiting: dict[int, Sequence[Done]] = {}
        self._with_message: set[int] = set()
        self._outgoing: list[bytes] = []
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the HTTP/2 connection; the server may send as much as it likes."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        grant = struct.pack(">I", _LARGEST_WINDOW - _WINDOW)
        self._transport.write(_PREFACE + frame(_SETTINGS, 0, 0) + frame(_WINDOW_UPDATE, 0, 0, grant))

    def submit_for(self, operations: Operations) -> Submit:
        """What sends the default operations."""
        refuse_others(operations)
        return self.submit

    def submit(self, number: int, done: Done) -> None:
        """Send a put at the end of this turn, or when the server can take it."""
        if not self._submitted:
            self._loop.call_soon(self._compose)
        self._submitted.append((number, done))

    def _compose(self) -> None:
        """Make requests of what was submitted. The puts of a transaction have different keys, as etcd demands: they
        were submitted one after the other, and go round many more keys."""
        submitted, self._submitted = self._submitted, []
        for chosen in (submitted[at : at + self._together] for at in range(0, len(submitted), self._together)):
            puts = [self._puts[number % len(self._puts)] for number, _ in chosen]
            whole = puts[0] if self._together == 1 else b"".join(map(operation_of_transaction, puts))
            self._request(message_of(whole), [done for _, done in chosen])

    def _request(self, message: bytes, dones: Sequence[Done]) -> None:
        if self._held or len(message) > self._window:
            self._held.append((message, dones))
            return
        self._window -= len(message)
        self._waiting[self._stream] = dones
        self._queue(
            frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
            + frame(_DATA, _END_STREAM, self._stream, message)
        )
        self._stream += 2
        self._headers = LATER_HEADERS

    def _queue(self, data: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(data)

    def _send(self) -> None:
        self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def data_received(self, data: bytes) -> None:
        """Frames, whole or in parts."""
        buffer = self._received + data if self._received else data
        position = 0
        while len(buffer) - position >= _FRAME_HEADER:
            size_and_kind, flags, stream = struct.unpack_from(">IBI", buffer, position)
            start = position + _FRAME_HEADER
            end = start + (size_and_kind >> 8)
            if end > len(buffer):
                break
            self._frame(size_and_kind & 0xFF, flags, stream, buffer[start:end])
            position = end
        self._received = buffer[position:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._with_message.add(stream)
        elif kind == _HEADERS and flags & _END_STREAM:
            self._answered(stream)
        elif kind in (_SETTINGS, _PING) and not flags & _ACKNOWLEDGED:
            self._queue(frame(kind, _ACKNOWLEDGED, 0, payload if kind == _PING else b""))
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload)
            held, self._held = self._held, deque()
            for message, dones in held:
                self._request(message, dones)
        elif kind == _RESET and stream in self._waiting:
            self._answered(stream)
        elif kind == _GO_AWAY:
            self._transport.close()

    def _answered(self, stream: int) -> None:
        succeeded = stream in self._with_message
        self._with_message.discard(stream)
        for done in self._waiting.pop(stream):
            done(succeeded)


async def _run(port: int, together: int) -> None:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(lambda: Client(together), LOOPBACK, port)
    await serve(client.submit_for)
    transport.close()

"""`python -m benchmarks.delayed MILLISECONDS MODULE ARGUMENTS...`: run a module with a delay in its transport.

All that arrives over a connection is handed to the program so much later, in order, as if the line to it were so long.
When every party runs so, every message takes this long each way. (The system's own means for this, netem, is a module
that many kernels lack.) Only event loops of uvloop are delayed: those of Quorate and of the unreplicated service.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvloop

from benchmarks.load.alarm import Alarm


class Line:
    """What is under way, first in, first out: the delay is the same for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()
        self._alarm = Alarm(loop, self._deliver)

    def put(self, arrive: Callable[[], None]) -> None:
        """Call it when the delay is over."""
        moment = time.perf_counter() + self._seconds
        self._under_way.append((moment, arrive))
        if len(self._under_way) == 1:
            self._alarm.set(moment)

    def _deliver(self) -> None:
        now = time.perf_counter()
        while self._under_way and self._under_way[0][0] <= now:
            self._loop.call_soon(self._under_way.popleft()[1])  # what fails there fails alone
        if self._under_way:
            self._alarm.set(self._under_way[0][0])

    def close(self) -> None:
        """Nothing arrives any more."""
        self._alarm.close()


class DelayedTransport:
    """A connection as the program sees it: whoever it names as the protocol is told of everything later."""

    def __init__(self, transport: asyncio.Transport, protocol: DelayedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told from now on."""
        self._protocol.inner = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is told."""
        return self._protocol.inner

    def write(self, data: bytes) -> None:
        """What is written after the loss, and before the program is told of it, goes nowhere."""
        if not self._protocol.is_lost:
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class DelayedProtocol(asyncio.Protocol):
    """Puts what arrives on the line."""

    def __init__(self, inner: asyncio.BaseProtocol, line: Line) -> None:
        self.inner = cast(asyncio.Protocol, inner)
        self.is_lost = False
        self._line = line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there at once."""
        self.transport = DelayedTransport(cast(asyncio.Transport, transport), self)
        self.inner.connection_made(cast(asyncio.Transport, self.transport))

    def data_received(self, data: bytes) -> None:
        """It arrives later."""
        self._line.put(partial(self._data, data))

    def _data(self, data: bytes) -> None:
        if isinstance(self.inner, asyncio.BufferedProtocol):
            _fill(self.inner, data)
        else:
            self.inner.data_received(data)

    def eof_received(self) -> bool:
        """So does the end, behind all that came before it; the connection stays open until then."""
        self._line.put(self._end)
        return True

    def _end(self) -> None:
        if not self.inner.eof_received():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """And the loss."""
        self.is_lost = True
        self._line.put(lambda: self.inner.connection_lost(exc))

    def pause_writing(self) -> None:
        """At once: it is about this side's buffer."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """At once."""
        self.inner.resume_writing()


def _fill(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Hand data over as an event loop does."""
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest)))
        size = min(len(buffer), len(rest))
        buffer[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]


def make_loop_class(seconds: float) -> type[uvloop.Loop]:
    """Event loops whose connections have that delay."""

    class DelayingLoop(uvloop.Loop):
        def __init__(self) -> None:
            super().__init__()
            self._line: Line | None = None

        def _wrapped(self, factory: Callable[[], asyncio.BaseProtocol]) -> Callable[[], DelayedProtocol]:
            line = self._line = self._line or Line(self, seconds)
            return lambda: DelayedProtocol(factory(), line)

        async def create_connection(  # type: ignore[override]
            self, factory: Callable[[], Any], *arguments: Any, **options: Any
        ) -> Any:
            made = await super().create_connection(self._wrapped(factory), *arguments, **options)
            wrapper = made[1]
            return wrapper.transport, wrapper.inner

        async def create_server(  # type: ignore[override]
            self, factory: Callable[[], Any], *arguments: Any, **options: Any
        ) -> Any:
            return await super().create_server(self._wrapped(factory), *arguments, **options)

        def close(self) -> None:
            if self._line is not None:
                self._line.close()
                self._line = None
            super().close()

    return DelayingLoop


def main() -> None:
    """Run the module."""
    _, milliseconds, module, *arguments = sys.argv
    uvloop.Loop = make_loop_class(float(milliseconds) / 1000)  # type: ignore[misc]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

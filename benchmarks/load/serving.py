"""Orders in, measurements out, for clients on an event loop."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from benchmarks.load.closed_loop import ClosedLoop, Submit
from benchmarks.load.order import Order, Ready


def say(message: msgspec.Struct) -> None:
    """One line to the suite."""
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def read_order() -> Order | None:
    """The next order; None when the suite wants no more."""
    line = sys.stdin.buffer.readline()
    return msgspec.json.decode(line, type=Order) if line else None


async def serve(submit: Submit) -> None:
    """Carry out orders, one after the other, until there are no more."""
    loop = asyncio.get_running_loop()
    say(Ready())
    while (order := await loop.run_in_executor(None, read_order)) is not None:
        finished = asyncio.Event()
        closed_loop = ClosedLoop(order, submit, finished.set)
        closed_loop.start()
        await finished.wait()
        say(closed_loop.result())

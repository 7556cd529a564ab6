"""Orders in, measurements out, for clients on an event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import msgspec

from benchmarks.load.alarm import Alarm
from benchmarks.load.closed_loop import ClosedLoop, Submit
from benchmarks.load.filling import Filling
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.order import Order, Ready
from benchmarks.measurement import Measured
from benchmarks.plan import Operations

SubmitFor = Callable[[Operations], Submit]
"""Gives what sends such operations; raises MeasurementFailed where the client knows none such."""
_POLL_SECONDS = 0.01


def say(message: msgspec.Struct) -> None:
    """One line to the suite."""
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def read_order() -> Order | None:
    """The next order; None when the suite wants no more."""
    line = sys.stdin.buffer.readline()
    return msgspec.json.decode(line, type=Order) if line else None


async def serve(submit_for: SubmitFor) -> None:
    """Carry out orders, one after the other, until there are no more."""
    loop = asyncio.get_running_loop()
    say(Ready())
    while (order := await loop.run_in_executor(None, read_order)) is not None:
        submit = submit_for(order.operations)
        say(await (_open(order, submit) if order.rate else _closed(order, submit)))


async def _closed(order: Order, submit: Submit) -> Measured:
    finished = asyncio.Event()
    loop = (Filling if order.is_filling else ClosedLoop)(order, submit, finished.set)
    loop.start()
    await finished.wait()
    return loop.result()


async def _open(order: Order, submit: Submit) -> Measured:
    open_loop = OpenLoop(order, submit)

    def ring() -> None:
        moment = open_loop.pump()
        if moment is not None:
            alarm.set(moment)

    alarm = Alarm(asyncio.get_running_loop(), ring)
    ring()
    while not open_loop.is_finished:
        await asyncio.sleep(_POLL_SECONDS)
    alarm.close()
    return open_loop.result()

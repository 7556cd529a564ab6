"""Sets every key once, before a measurement that reads keys or wants many of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from benchmarks.load.closed_loop import Submit
from benchmarks.load.order import Order
from benchmarks.load.window import Window
from benchmarks.measurement import Measured, MeasurementFailed


class Filling:
    """As many SETs as there are keys, `outstanding` of them under way."""

    def __init__(self, order: Order, submit: Submit, on_finished: Callable[[], None]) -> None:
        self._order = order
        self._submit = submit
        self._on_finished = on_finished
        self._window = Window(order)
        self._sent = self._ended = 0

    def start(self) -> None:
        """Send the first operations; the others are sent from the answers."""
        self._window.open()
        for _ in range(min(self._order.outstanding, self._order.operations.keys)):
            self._send()

    def _send(self) -> None:
        number, self._sent = self._sent, self._sent + 1
        self._submit(number, partial(self._done, time.perf_counter()))

    def _done(self, sent: float, is_right: bool) -> None:
        now = time.perf_counter()
        self._ended += 1
        if is_right:
            self._window.add(now - sent, now)
        else:
            self._window.failures += 1
        if self._sent < self._order.operations.keys:
            self._send()
        elif self._ended == self._order.operations.keys:
            self._window.close()
            self._on_finished()

    def result(self) -> Measured:
        """What it took."""
        if self._window.failures:
            raise MeasurementFailed(f"{self._window.failures} keys could not be set")
        return self._window.result(self._sent)

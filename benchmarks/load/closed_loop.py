"""A closed loop of operations: as soon as one is answered, the next is sent. The same for every system."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import count

from benchmarks.load.order import Order
from benchmarks.load.window import CLIENT, Window
from benchmarks.measurement import Measured

__all__ = ["CLIENT", "ClosedLoop", "Done", "Submit"]

Done = Callable[[bool], None]
"""Called when an operation is answered: whether the answer is the expected one."""
Submit = Callable[[int, Done], None]
"""Send the operation with this number."""


class ClosedLoop:
    """Keeps `outstanding` operations under way and notes how long each takes.

    The measured window begins and ends at the first answer after its planned begin and end: it counts whole bursts
    where answers come in bursts, and does not cut the operations of slow systems. It is never shorter than ordered.
    Answers may come in another thread than `start` is called in, as long as they all come in one.
    """

    def __init__(self, order: Order, submit: Submit, on_finished: Callable[[], None] = lambda: None) -> None:
        self.is_finished = False
        self._order = order
        self._submit = submit
        self._on_finished = on_finished
        self._numbers = count()
        self._window = Window(order)
        self._ended = 0
        self._begin = self._end = 0.0

    def start(self) -> None:
        """Send the first operations. All others are sent from the answers."""
        self._begin = time.perf_counter() + self._order.warm_up
        self._end = self._begin + self._order.seconds
        for _ in range(self._order.outstanding):
            self._send()

    def _send(self) -> None:
        self._submit(next(self._numbers), partial(self._done, time.perf_counter()))

    def _done(self, sent: float, is_right: bool) -> None:
        now = time.perf_counter()
        window = self._window
        if not is_right:
            window.failures += 1
        elif window.last is None:
            if window.first is not None:
                window.add(now - sent, now)
            elif now >= self._begin:
                self._end = max(self._end, window.open() + self._order.seconds)
        if now < self._end:
            self._send()
        else:
            self._wind_up()

    def _wind_up(self) -> None:
        self._window.close()
        self._ended += 1
        if self._ended == self._order.outstanding:
            self.is_finished = True
            self._on_finished()

    def result(self) -> Measured:
        """What was measured, once the loop has finished."""
        return self._window.result(next(self._numbers))

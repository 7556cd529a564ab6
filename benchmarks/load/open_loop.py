"""An open loop: operations arrive on a schedule, whatever is answered, as from many users who know nothing of each
other.

A closed loop sends nothing while the system stands still, and so measures a stop of a second as one slow operation
(Tene's "coordinated omission"). Here each latency counts from the moment at which the operation was to be sent.
Arrivals are a Poisson process, drawn with a fixed seed: the same for every system at the same rate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

from benchmarks.load.closed_loop import Submit
from benchmarks.load.order import Order
from benchmarks.load.window import Window
from benchmarks.measurement import Measured

_SEED = 7
PATIENCE_SECONDS = 10.0
"""How long answers are awaited after the end; what is not answered then has failed."""


class OpenLoop:
    """Sends what is due whenever it is pumped, and tells when to pump it next."""

    def __init__(self, order: Order, submit: Submit, clock: Callable[[], float] = time.perf_counter) -> None:
        self._order = order
        self._submit = submit
        self._clock = clock
        self._draw = random.Random(_SEED)
        self._window = Window(order)
        self._begin = clock() + order.warm_up
        self._end = self._begin + order.seconds
        self._next = clock()
        self._sent = self._answered = 0

    def pump(self) -> float | None:
        """Send all operations whose time has come; when the next one is due, None after the last."""
        now = self._clock()
        while self._next <= now and self._next < self._end:
            if self._window.first is None and self._next >= self._begin:
                self._window.open()
            number, self._sent = self._sent, self._sent + 1
            self._submit(number, partial(self._done, self._next))
            self._next += self._draw.expovariate(self._order.rate)
        if self._next < self._end:
            return self._next
        if now < self._end:
            return self._end
        self._window.close()
        return None

    def _done(self, intended: float, is_right: bool) -> None:
        now = self._clock()
        self._answered += 1
        if not is_right:
            self._window.failures += 1
        elif intended >= self._begin:
            self._window.add(now - intended, now)

    @property
    def is_finished(self) -> bool:
        """Whether all was sent, and answered or given up."""
        if self._clock() < self._end or self._window.last is None:
            return False
        return self._answered == self._sent or self._clock() > self._end + PATIENCE_SECONDS

    def result(self) -> Measured:
        """What was measured. The throughput is of what arrived in the window, whenever it was answered."""
        self._window.failures += self._sent - self._answered
        return self._window.result(self._sent, self._order.seconds)

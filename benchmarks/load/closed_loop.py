"""A closed loop of operations, and what it measures. The same for every system."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count

from benchmarks.latencies import histogram, percentiles
from benchmarks.load.order import Order
from benchmarks.machine import Snapshot, others_share
from benchmarks.measurement import Measured, MeasurementFailed

Done = Callable[[bool], None]
"""Called when an operation is answered: whether the answer is the expected one."""
Submit = Callable[[int, Done], None]
"""Send the operation with this number."""

CLIENT = "client"
"""The role of the load process itself."""


class ClosedLoop:
    """Keeps `outstanding` operations under way and notes how long each takes.

    The measured window begins and ends at the first answer after its planned begin and end: it counts whole bursts
    where answers come in bursts, and does not cut the operations of slow systems. Answers may come in another thread
    than `start` is called in, as long as they all come in one.
    """

    def __init__(self, order: Order, submit: Submit, on_finished: Callable[[], None] = lambda: None) -> None:
        self.is_finished = False
        self._order = order
        self._submit = submit
        self._on_finished = on_finished
        self._roles = {**order.roles, CLIENT: [os.getpid()]}
        self._numbers = count()
        self._latencies: list[float] = []
        self._failures = 0
        self._ended = 0
        self._first: Snapshot | None = None
        self._last: Snapshot | None = None
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
        if not is_right:
            self._failures += 1
        elif self._last is None:
            if self._first is not None:
                self._latencies.append(now - sent)
            elif now >= self._begin:
                self._first = Snapshot.take(self._roles)
        if now < self._end:
            self._send()
        else:
            self._wind_up()

    def _wind_up(self) -> None:
        if self._last is None:
            self._last = Snapshot.take(self._roles)
        self._ended += 1
        if self._ended == self._order.outstanding:
            self.is_finished = True
            self._on_finished()

    def result(self) -> Measured:
        """What was measured, once the loop has finished."""
        if self._first is None or self._last is None or not self._latencies:
            raise MeasurementFailed(f"too few answers in {self._order.seconds:g} s to measure; {self._failures} wrong")
        used = {role: self._last.roles[role] - self._first.roles[role] for role in self._roles}
        return Measured(
            operations=len(self._latencies),
            seconds=self._last.moment - self._first.moment,
            failures=self._failures,
            latency=percentiles(self._latencies),
            histogram=histogram(self._latencies),
            processor_seconds={role: used[role] / len(pids) for role, pids in self._roles.items()},
            processor_seconds_in_all=sum(used.values()),
            others_share=others_share(self._first, self._last, sum(used.values())),
            operations_in_all=next(self._numbers),
        )

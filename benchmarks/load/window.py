"""What happens between the begin and the end of a measurement: clocks, samples, moments of answers."""

from __future__ import annotations

import os
from collections import Counter

from benchmarks.latencies import histogram, percentiles
from benchmarks.load.order import Order
from benchmarks.machine import Snapshot, others_share
from benchmarks.measurement import Measured, MeasurementFailed

CLIENT = "client"
"""The role of the load process itself."""
_MILLISECONDS = 1000


class Window:
    """Collects one measurement."""

    def __init__(self, order: Order) -> None:
        self.latencies: list[float] = []
        self.failures = 0
        self.first: Snapshot | None = None
        self.last: Snapshot | None = None
        self._order = order
        self._roles = {**order.roles, CLIENT: [os.getpid()]}
        self._moments: Counter[int] = Counter()

    def open(self) -> float:
        """It begins now: at this moment."""
        self.first = Snapshot.take(self._roles, self._order.interface)
        return self.first.moment

    def close(self) -> None:
        """It ends now."""
        if self.last is None:
            self.last = Snapshot.take(self._roles, self._order.interface)

    def add(self, latency: float, now: float) -> None:
        """An answer."""
        self.latencies.append(latency)
        if self._order.is_outage:
            self._moments[int(now * _MILLISECONDS)] += 1

    def result(self, sent: int, seconds: float | None = None) -> Measured:
        """What was measured; *seconds* where the samples are of another time than that between the clocks' looks."""
        first, last = self.first, self.last
        if first is None or last is None or not self.latencies:
            wrong = f"; {self.failures} wrong" if self.failures else ""
            raise MeasurementFailed(f"too few answers in {self._order.seconds:g} s to measure{wrong}")
        used = {role: last.roles[role] - first.roles[role] for role in self._roles}
        samples = histogram(self.latencies)
        return Measured(
            operations=len(self.latencies),
            seconds=last.moment - first.moment if seconds is None else seconds,
            failures=self.failures,
            latency=percentiles(samples),
            histogram=samples,
            processor_seconds={role: used[role] / len(pids) for role, pids in self._roles.items()},
            processor_seconds_in_all=sum(used.values()),
            processes=sum(map(len, self._order.roles.values())),
            others_share=others_share(first, last, sum(used.values())),
            operations_in_all=sent,
            bytes_sent={role: last.sent[role] - first.sent[role] for role in last.sent},
            bytes_received={role: last.received[role] - first.received[role] for role in last.received},
            moments=dict(sorted(self._moments.items())),
        )

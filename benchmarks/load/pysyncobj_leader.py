"""The load of PySyncObj, which is a library: the load process is itself the leader, as an application would be."""

from __future__ import annotations

import select
import sys
import time

from benchmarks.load.closed_loop import ClosedLoop, Done
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.operations import VALUE, keys, refuse_others
from benchmarks.load.order import Order, Ready
from benchmarks.load.serving import read_order, say
from benchmarks.measurement import MeasurementFailed
from benchmarks.peers.pysyncobj_store import Options, Store, make_store

_LEADER_SECONDS = 15.0


def main(options: Options) -> None:
    """Become the leader, then carry out orders."""
    Leader(make_store(options), options["tick_seconds"], options["ticks_itself"]).serve()


class Leader:
    """The store's leader and its client in one."""

    def __init__(self, store: Store, tick_seconds: float, ticks_itself: bool) -> None:
        self._store = store
        self._tick_seconds = tick_seconds
        self._ticks_itself = ticks_itself
        self._keys = [key.decode() for key in keys()]

    def serve(self) -> None:
        """Carry out orders, one after the other, until there are no more."""
        deadline = time.monotonic() + _LEADER_SECONDS
        while not (self._store.isReady() and self._store.is_leader()):
            if time.monotonic() > deadline:
                raise MeasurementFailed(f"PySyncObj elected no leader within {_LEADER_SECONDS:g} s")
            self._turn()
        say(Ready())
        while True:
            while not select.select([sys.stdin], [], [], 0)[0]:
                self._turn()
            order = read_order()
            if order is None:
                return
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        refuse_others(order.operations)
        if order.rate:
            self._carry_out_open(order)
            return
        closed_loop = ClosedLoop(order, self._submit)
        closed_loop.start()
        while not closed_loop.is_finished:
            self._turn()
        say(closed_loop.result())

    def _carry_out_open(self, order: Order) -> None:
        open_loop = OpenLoop(order, self._submit)
        while not open_loop.is_finished:
            due = open_loop.pump()
            self._turn(None if due is None else max(0.0, due - time.perf_counter()))
        say(open_loop.result())

    def _turn(self, seconds: float | None = None) -> None:
        """Let the library work, in its own thread or here, for no longer than until the next operation is due."""
        if self._ticks_itself:
            time.sleep(0.005 if seconds is None else min(0.005, seconds))
        else:
            self._store.doTick(self._tick_seconds if seconds is None else min(self._tick_seconds, seconds))

    def _submit(self, number: int, done: Done) -> None:
        key = self._keys[number % len(self._keys)]
        self._store.set(key, VALUE, callback=lambda _result, error: done(error == 0))

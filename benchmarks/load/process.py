"""The suite's side of a load process."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping
from typing import IO

import msgspec

from benchmarks.load.open_loop import PATIENCE_SECONDS
from benchmarks.load.order import Order, Ready
from benchmarks.measurement import Measured, MeasurementFailed
from benchmarks.places import Place
from benchmarks.plan import Operations
from benchmarks.processes import Processes

_START_SECONDS = 30.0
_FILL_SECONDS = 600.0
_FILLING_OUTSTANDING = 1000
_PATIENCE_SECONDS = 30.0
"""How long a load process may take longer than it was told to."""
_CHUNK = 1 << 20


class LoadProcess:
    """Starts a load process and waits until it is connected."""

    def __init__(
        self,
        processes: Processes,
        client: str,
        options: Mapping[str, object],
        place: Place | None = None,
        party: int = 0,
    ) -> None:
        self._processes = processes
        self._name = f"load-{client}"
        words = ("benchmarks.load", client, msgspec.json.encode(options).decode())
        command = (place or Place()).module(party, *words)
        self._process: subprocess.Popen[bytes] = processes.start(self._name, command, piped=True)
        self._received = b""
        msgspec.json.decode(self._read_line(_START_SECONDS), type=Ready)

    def measure(self, order: Order) -> Measured:
        """Have an order carried out."""
        self.begin(order)
        return self.finish(order)

    def begin(self, order: Order) -> None:
        """Tell it; what it measured is for `finish`."""
        stream = self._stream(self._process.stdin)
        stream.write(msgspec.json.encode(order) + b"\n")
        stream.flush()

    def finish(self, order: Order) -> Measured:
        """Wait until an order is carried out."""
        line = self._read_line(order.warm_up + order.seconds + PATIENCE_SECONDS + _PATIENCE_SECONDS)
        return msgspec.json.decode(line, type=Measured)

    def fill(self, operations: Operations) -> Measured:
        """Have every key set."""
        sets = msgspec.structs.replace(operations, is_read=False, is_random=False)
        order = Order(outstanding=_FILLING_OUTSTANDING, operations=sets, is_filling=True, seconds=_FILL_SECONDS)
        return self.measure(order)

    def _read_line(self, seconds: float) -> bytes:
        descriptor = self._stream(self._process.stdout).fileno()
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise MeasurementFailed(f"{self._name} gave no answer within {seconds:g} s")
            data = os.read(descriptor, _CHUNK)
            if not data:
                self._process.wait()
                self._processes.check()
                raise MeasurementFailed(f"{self._name} closed its output")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line

    @staticmethod
    def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise MeasurementFailed("a load process has no pipes")
        return pipe

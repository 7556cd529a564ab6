"""The suite's side of a load process."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping
from typing import IO

import msgspec

from benchmarks.load.order import Order, Ready
from benchmarks.measurement import Measured, MeasurementFailed
from benchmarks.processes import Processes, python_module

_START_SECONDS = 20.0
_PATIENCE_SECONDS = 30.0
"""How long a load process may take longer than it was told to."""
_CHUNK = 1 << 20


class LoadProcess:
    """Starts a load process and waits until it is connected."""

    def __init__(self, processes: Processes, client: str, options: Mapping[str, object]) -> None:
        self._processes = processes
        self._name = f"load-{client}"
        command = python_module("benchmarks.load", client, msgspec.json.encode(options).decode())
        self._process: subprocess.Popen[bytes] = processes.start(self._name, command, piped=True)
        self._received = b""
        msgspec.json.decode(self._read_line(_START_SECONDS), type=Ready)

    def measure(self, order: Order) -> Measured:
        """Have an order carried out."""
        stream = self._stream(self._process.stdin)
        stream.write(msgspec.json.encode(order) + b"\n")
        stream.flush()
        line = self._read_line(order.warm_up + order.seconds + _PATIENCE_SECONDS)
        return msgspec.json.decode(line, type=Measured)

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

"""Client processes that call while replicas die, and the judgement of what they saw."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from quorate.sim.linearizability import END_OF_TIME, Call, is_linearizable, unexplained_prefix
from quorate.sim.register import ABSENT, DONE

CALLER = Path(__file__).with_name("caller.py")
CALLS_BETWEEN = 40
"""Acknowledged calls of every caller before and after each crash."""


class Seen(NamedTuple):
    """One call, as its caller prints it."""

    key: str
    written: str | None
    invoked: int
    returned: int
    read: str | None
    is_acknowledged: bool


class Caller:
    """A client process."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self.calls: list[Seen] = []
        self.process = subprocess.Popen(
            [sys.executable, str(CALLER), name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.calls.append(Seen(*json.loads(line)))

    def acknowledged_since(self, moment: int) -> int:
        """How many calls were invoked after *moment* and answered."""
        return sum(1 for call in list(self.calls) if call.is_acknowledged and call.invoked > moment)

    def finish(self) -> list[Seen]:
        """Everything that it saw."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._reader.join(10)
        return self.calls

    def destroy(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def await_progress(callers: list[Caller], helpers: Any) -> None:
    """Until every caller had enough calls answered that it made from now on."""
    moment = time.monotonic_ns()
    for caller in callers:
        helpers.eventually(
            lambda caller=caller: caller.acknowledged_since(moment) >= CALLS_BETWEEN, f"progress of {caller.name}", 60.0
        )


def histories_of(callers: list[Caller]) -> dict[str, list[Call]]:
    """The calls on each key, as operations on a register."""
    histories: dict[str, list[Call]] = defaultdict(list)
    for caller in callers:
        for seen in caller.finish():
            if seen.written is None:
                operation, result = b"read x", (seen.read or "").encode()
                result = ABSENT if result in (b"", b"None") else result
            else:
                operation, result = b"write x " + seen.written.encode(), DONE
            known = seen.is_acknowledged
            returned = seen.returned if known else END_OF_TIME
            results = (result,) if known else None
            histories[seen.key].append(Call(caller.name, seen.invoked, returned, (operation,), results))
    return histories


def assert_linearizable(callers: list[Caller]) -> None:
    """Nothing acknowledged was lost or changed, and everybody saw one order of events."""
    histories = histories_of(callers)
    assert len(histories) == 4
    for key, history in histories.items():
        assert is_linearizable(history), f"{key}: {unexplained_prefix(history)[-6:]}"

"""Callers who read, write, append and compare-and-set registers through the real client, and note what they saw."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from quorate.auth.keys import KeyPair
from quorate.client.aio import AsyncClient
from quorate.config import ClusterConfiguration
from quorate.errors import RequestFailed
from quorate.lab.dialects import Dialect
from quorate.lab.measure import Appended
from quorate.sim.linearizability import END_OF_TIME, Call
from quorate.sim.register import ABSENT, DONE, key_of

CALLERS_PER_CLIENT: Final = 2
PATIENCE_SECONDS: Final = 60.0
"""How long a caller waits for a result."""
REGISTERS: Final = 3
APPENDS_PER_REGISTER: Final = 50
"""A register to which texts are appended is left for the next one after about so many."""
_THINK_SECONDS: Final = 0.004
_SHARES: Final = (("append", 0.25), ("read", 0.55), ("write", 0.8), ("swap", 1.0))
"""Which operations come how often, cumulated."""


def now() -> int:
    """Microseconds of the machine's monotonic clock."""
    return time.monotonic_ns() // 1000


class Seen(NamedTuple):
    """One operation of a caller."""

    key: str
    call: Call


class Workload:
    """A few callers, each with one operation at a time; the clients' keys are dealt to them in turn."""

    def __init__(
        self, configuration: ClusterConfiguration, keys: tuple[KeyPair, ...], dialect: Dialect, run: str, seed: int
    ) -> None:
        self._run = run
        self._dialect = dialect
        self._random = Random(f"{run} {seed}")
        self._clients = [AsyncClient(pair, configuration) for pair in keys * CALLERS_PER_CLIENT]
        self._seen: list[Seen] = []
        self._appends = 0
        self._values: dict[str, str] = {}
        self._begun: dict[int, int] = {}
        """When the last completed operation of each caller was invoked."""
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and let the callers begin."""
        await asyncio.gather(*(client.wait_connected() for client in self._clients))
        self._tasks = [asyncio.create_task(self._call(caller)) for caller in range(len(self._clients))]

    async def all_completed_since(self, moment: int, seconds: float) -> bool:
        """Wait until each caller has got an answer to what it asked after *moment*; False when that takes longer."""
        deadline = now() + int(seconds * 1_000_000)
        while not all(self._begun.get(caller, -1) >= moment for caller in range(len(self._clients))):
            if now() > deadline or any(task.done() for task in self._tasks):
                return False
            await asyncio.sleep(0.02)
        return True

    async def stop(self, seconds: float) -> None:
        """Let the callers finish what they wait for; who does not in time will never know."""
        self._is_over = True
        _, waiting = await asyncio.wait(self._tasks, timeout=seconds)
        for task in waiting:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def read_all(self, seconds: float) -> dict[str, str]:
        """The final value of every register, read one by one by one caller. They are part of the history."""
        async with asyncio.timeout(seconds):
            for key in sorted({seen.key for seen in self._seen}):
                self._values[key] = await self._perform(0, f"read {key}") or ""
        return self._values

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove registers, where the service can."""
        await self._dialect.forget(self._clients[0].invoke, [key.encode() for key in keys])

    async def close(self) -> None:
        """Close the links."""
        for task in self._tasks:
            task.cancel()
        for client in self._clients:
            client.close()
        await asyncio.gather(*(client.wait_closed() for client in self._clients))

    # --------------------------------------------------------------------------------------- what was seen

    def completions(self) -> list[int]:
        """When operations were completed, in order."""
        return sorted(seen.call.returned for seen in self._seen if seen.call.returned != END_OF_TIME)

    def unknown(self) -> int:
        """Operations of which nobody knows the outcome."""
        return sum(1 for seen in self._seen if seen.call.returned == END_OF_TIME)

    def histories(self) -> dict[str, list[Call]]:
        """What was seen of each register."""
        by_key: defaultdict[str, list[Call]] = defaultdict(list)
        for key, call in self._seen:
            by_key[key].append(call)
        return dict(by_key)

    def appended(self) -> dict[str, Appended]:
        """What was appended to the registers that are for that alone."""
        found: dict[str, Appended] = {}
        for key, call in self._seen:
            verb, _, *words = call.operations[0].decode().split(" ")
            if verb == "append":
                acknowledged, unknown = found.setdefault(key, Appended([], []))
                kind = unknown if call.results is None else acknowledged
                assert isinstance(kind, list)
                kind.append(words[0])
        return found

    # -------------------------------------------------------------------------------------------- a caller

    async def _call(self, caller: int) -> None:
        number = 0
        while not self._is_over:
            number += 1
            invoked = now()
            result = await self._perform(caller, self._next_operation(caller, number))
            if result is not None:
                self._begun[caller] = invoked
            await asyncio.sleep(self._random.random() * _THINK_SECONDS)

    async def _perform(self, caller: int, operation: str) -> str | None:
        """Have one operation executed and note it; its result, None when that stays unknown."""
        encoded, invoked = operation.encode(), now()
        client = self._clients[caller]
        result: bytes | None = None
        try:
            result = await self._dialect.perform(lambda one: client.invoke(one, PATIENCE_SECONDS), encoded)
        except RequestFailed:
            return None
        finally:
            returned = END_OF_TIME if result is None else now()
            results = None if result is None else (result,)
            key = key_of(encoded).decode()
            self._seen.append(Seen(key, Call(f"caller {caller}", invoked, returned, (encoded,), results)))
        self._learn(operation, result.decode())
        return result.decode()

    def _learn(self, operation: str, result: str) -> None:
        """Remember the values of registers, so that some swaps succeed."""
        verb, key, *words = operation.split(" ")
        if verb == "read":
            self._values[key] = result
        elif verb in ("write", "swap") and result == DONE.decode():
            self._values[key] = words[-1]

    def _next_operation(self, caller: int, number: int) -> str:
        token = f"{caller}-{number}."
        draw = self._random.random()
        verb = next(verb for verb, share in _SHARES if draw < share)
        if verb == "append":
            self._appends += 1
            return f"append {self._run}-log-{self._appends // APPENDS_PER_REGISTER} {token}"
        key = f"{self._run}-{self._random.randrange(REGISTERS)}"
        if verb == "swap":
            return f"swap {key} {self._values.get(key, ABSENT.decode())} {token}"
        return f"{verb} {key}" if verb == "read" else f"{verb} {key} {token}"

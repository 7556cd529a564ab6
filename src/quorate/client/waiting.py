"""The operations of a client that wait to be sent: who waits for them, until when, and how many may wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from quorate.client.sizes import OPERATION_HEADER_BYTES, request_overhead_bytes
from quorate.config import ClusterConfiguration
from quorate.errors import RequestFailed, RequestTimeout
from quorate.messages.protocol import OPERATIONS_MAX
from quorate.net.alarm import MICROSECONDS, microseconds_now


class ClientLimits(NamedTuple):
    """How much a client has on its way at once."""

    sessions: int = 2
    """Requests in flight, at least one: more than one, so that the next is ordered while one is executed."""
    waiting_operations_max: int = 65_536
    waiting_bytes_max: int = 64 << 20


CLOSED: Final = "the client is closed: connect again"
_SWEEP_MICROSECONDS: Final = 10_000
"""Time limits are looked at no more often than this."""

Operation = bytes | bytearray | memoryview
"""What a caller may hand over."""


def bytes_of(operation: object) -> bytes:
    """The bytes of *operation*, the caller's no more. Raises TypeError for anything else.

    Checked before it waits with others: what cannot be sent would otherwise fail all whose request it shares.
    """
    if type(operation) is bytes:
        return operation
    if isinstance(operation, Operation):
        return bytes(operation)
    kind = type(operation).__name__
    remedy = "encode it, for example with .encode()" if kind == "str" else "write it as its service reads it"
    raise TypeError(f"an operation is bytes, not {kind}: {remedy}")


class Waiting(NamedTuple):
    """An operation and who waits for it."""

    operation: bytes
    future: asyncio.Future[bytes]
    deadline: int | None
    """When its time is up, in monotonic microseconds."""


def new_waiting(operation: bytes, timeout: float | None, loop: asyncio.AbstractEventLoop) -> Waiting:
    """An operation for which somebody begins to wait, for so many seconds at most."""
    deadline = None if timeout is None else microseconds_now() + int(timeout * MICROSECONDS)
    return Waiting(operation, loop.create_future(), deadline)


def fail_all(waiting: Iterable[Waiting], error: RequestFailed) -> None:
    """Tell those who still wait: each gets an error of its own, as each raises it in another place."""
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(type(error)(*error.args))


def time_out(waiting: Iterable[Waiting], now: int, text: str) -> None:
    """Tell those whose time is up."""
    due = [one for one in waiting if one.deadline is not None and one.deadline <= now]
    fail_all(due, RequestTimeout(text))


def next_expiry(waiting: Iterable[Waiting], now: int) -> int | None:
    """When to look at the time limits of these again; None: nobody has one."""
    deadlines = [one.deadline for one in waiting if one.deadline is not None and not one.future.done()]
    return max(min(deadlines), now + _SWEEP_MICROSECONDS) if deadlines else None


class WaitingOperations:
    """A queue, bounded in number and in bytes."""

    def __init__(
        self, configuration: ClusterConfiguration, limits: ClientLimits, operations_max: int = OPERATIONS_MAX
    ) -> None:
        self._operations_max = operations_max
        self._request_bytes_max = configuration.settings.request_bytes_max - request_overhead_bytes(configuration)
        self._limits = limits
        self._waiting: deque[Waiting] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._waiting)

    def refusal(self, operation: bytes) -> str | None:
        """Why *operation* cannot wait here; None when it can."""
        size = len(operation) + OPERATION_HEADER_BYTES
        if size > self._request_bytes_max:
            room = self._request_bytes_max - OPERATION_HEADER_BYTES
            return f"the operation has {len(operation)} bytes; request_bytes_max leaves room for {room}: divide it"
        if len(self._waiting) >= self._limits.waiting_operations_max:
            return f"{len(self._waiting)} operations wait already: wait for some of them before you submit more"
        if self._size + size > self._limits.waiting_bytes_max:
            return f"{self._size} bytes of operations wait already: wait for some of them before you submit more"
        return None

    def append(self, waiting: Waiting) -> None:
        """To the end."""
        self._waiting.append(waiting)
        self._size += len(waiting.operation) + OPERATION_HEADER_BYTES

    def take(self) -> list[Waiting]:
        """The first of those who still wait, as many as one message carries."""
        taken: list[Waiting] = []
        room = self._request_bytes_max
        while self._waiting and len(taken) < self._operations_max:
            size = len(self._waiting[0].operation) + OPERATION_HEADER_BYTES
            if size > room:
                break
            first = self._waiting.popleft()
            self._size -= size
            if not first.future.done():
                taken.append(first)
                room -= size
        return taken

    def drop_done(self) -> None:
        """Forget those that nobody waits for any more."""
        live = [waiting for waiting in self._waiting if not waiting.future.done()]
        self.clear()
        for waiting in live:
            self.append(waiting)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._size = 0

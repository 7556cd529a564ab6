"""Operations that only read, on their way past the order: many to a READ; what has no answer there is ordered.

Used from one event loop, inside which it is made. A few READs are under way at once; what comes meanwhile goes into the
next. Nothing waits for a timer but what a quorum does not answer; the time limits of operations are kept by one.

Not everything is asked. While something that may change the state is being ordered for this client, what reads goes
along: to order more operations costs next to nothing, and replicas that are just executing seldom answer alike. Nor is,
for a while, what the replicas have not answered alike lately.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from quorate.client.coalescer import Coalescer
from quorate.client.gathering import Gathering
from quorate.client.reads import Answered, Reads, ToBeOrdered
from quorate.client.session import SendRequest
from quorate.client.waiting import (
    CLOSED,
    ClientLimits,
    Waiting,
    WaitingOperations,
    fail_all,
    new_waiting,
    next_expiry,
    time_out,
)
from quorate.client.worth import Worth
from quorate.config import ClusterConfiguration
from quorate.errors import RequestFailed, RequestRefused
from quorate.messages.reads import READ_OPERATIONS_MAX, ReadReply
from quorate.net.alarm import Alarm, microseconds_now

_TOO_LATE: Final = "the replicas did not agree on an answer in time"
READS_MAX: Final = 4
"""READs under way at once: more than one, so that one that waits for a commit does not hold up the others."""


class _Carried:
    """Who waits for the operations of a READ."""

    __slots__ = ("ordered", "sent", "waiting")

    def __init__(self, waiting: list[Waiting], sent: int) -> None:
        self.waiting = waiting
        self.sent = sent
        """When, in monotonic microseconds."""
        self.ordered = 0
        """How many of them had to be ordered, or were given up."""

    def is_deserted(self) -> bool:
        """Whether nobody waits for any of them any more."""
        return all(waiting.future.done() for waiting in self.waiting)


class Queries:
    """Turns operations that only read into READs, and answers into results; hands the rest to *coalescer*."""

    def __init__(
        self,
        reads: Reads,
        send: Callable[[int, bytes], bool],
        coalescer: Coalescer,
        configuration: ClusterConfiguration,
        limits: ClientLimits,
    ) -> None:
        self._reads = reads
        self._send = send
        self._coalescer = coalescer
        self._loop = asyncio.get_running_loop()
        self._queue = WaitingOperations(configuration, limits, READ_OPERATIONS_MAX)
        self._carried: dict[int, _Carried] = {}
        """By nonce."""
        self._gathering = Gathering()
        self._worth = Worth()
        self._alarm = Alarm(self._ring)
        self._expiry: int | None = None
        """No operation's time is up before this."""
        self._dispatch_handle: asyncio.Handle | None = None
        self._is_closed = False

    def submit(self, operation: bytes, timeout: float | None) -> asyncio.Future[bytes]:
        """Start *operation*; see `AsyncClient.submit`."""
        waiting = new_waiting(operation, timeout, self._loop)
        reason = CLOSED if self._is_closed else self._queue.refusal(operation)
        if reason is not None:
            fail_all([waiting], RequestRefused(reason))
        elif self._coalescer.is_writing() or not self._worth.is_given(microseconds_now()):
            self._coalescer.enqueue(waiting)
        else:
            self._queue.append(waiting)
            if waiting.deadline is not None and (self._expiry is None or waiting.deadline < self._expiry):
                self._expiry = waiting.deadline
                self._alarm.set(waiting.deadline)
            self._schedule()
        return waiting.future

    @property
    def waiting_operations(self) -> int:
        """How many operations wait to be sent."""
        return len(self._queue)

    def close(self) -> None:
        """Nothing is sent any more; whoever waits is told so. What only reads has no outcome to worry about."""
        self._is_closed = True
        self._alarm.stop()
        if self._dispatch_handle is not None:
            self._dispatch_handle.cancel()
        error = RequestFailed("the client was closed before the operation was answered")
        fail_all(self._queue, error)
        for carried in self._carried.values():
            fail_all(carried.waiting, error)
        self._queue.clear()
        self._carried.clear()

    def awaits(self, reply: ReadReply) -> bool:
        """Whether an answer, not verified yet, would tell something."""
        return not self._is_closed and self._reads.awaits(reply)

    def receive(self, reply: ReadReply) -> None:
        """Take in a verified answer."""
        self._reads.receive(reply, microseconds_now())
        self._settle()

    def _schedule(self) -> None:
        if self._dispatch_handle is None and len(self._reads) < READS_MAX:
            self._dispatch_handle = self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Send what waits."""
        self._dispatch_handle = None
        if self._gathering.are_more_coming(len(self._queue)):
            self._schedule()
            return
        while self._queue and len(self._reads) < READS_MAX:
            taken = self._queue.take()
            if taken:
                operations, now = tuple([waiting.operation for waiting in taken]), microseconds_now()
                self._carried[self._reads.begin(operations, now)] = _Carried(taken, now)
        self._settle()

    def _settle(self) -> None:
        """Do what the rules want done."""
        now = microseconds_now()
        for effect in self._reads.settle(now):
            match effect:
                case SendRequest(receivers, frame):
                    for receiver in receivers:
                        self._send(receiver, frame)
                case Answered(nonce, place, result):
                    _tell(self._carried[nonce].waiting[place], result)
                case ToBeOrdered(nonce, places):
                    carried = self._carried[nonce]
                    carried.ordered = len(places)
                    self._have_ordered([carried.waiting[place] for place in places], now)
        for nonce in [nonce for nonce in self._carried if not self._reads.is_under_way(nonce)]:
            done = self._carried.pop(nonce)
            self._gathering.expected = len(done.waiting)
            self._worth.note(len(done.waiting), done.ordered, done.sent, now)
        self._alarm.set(self._reads.next_deadline())
        self._alarm.set(self._expiry)
        if self._queue:
            self._schedule()

    def _have_ordered(self, asked: list[Waiting], now: int) -> None:
        time_out(asked, now, _TOO_LATE)
        for waiting in asked:
            if not waiting.future.done():
                self._coalescer.take_over(waiting)

    def _ring(self) -> None:
        """Some deadline may be due: READs are given up, operations time out."""
        now = microseconds_now()
        if self._expiry is not None and now >= self._expiry:
            self._sweep(now)
        self._settle()

    def _sweep(self, now: int) -> None:
        """Time out whatever is due, and note when to look again. A READ goes on as long as somebody waits for it."""
        in_flight = [waiting for carried in self._carried.values() for waiting in carried.waiting]
        time_out([*in_flight, *self._queue], now, _TOO_LATE)
        self._queue.drop_done()
        for nonce, carried in self._carried.items():
            if carried.is_deserted():
                carried.ordered = self._reads.abandon(nonce)
        self._expiry = next_expiry([*in_flight, *self._queue], now)


def _tell(waiting: Waiting, result: bytes) -> None:
    if not waiting.future.done():
        waiting.future.set_result(result)

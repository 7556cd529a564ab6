"""Many operations over few sessions: what waits while all sessions are busy goes into the next request together.

Nothing waits for a timer: when a session is free, what was submitted leaves with the next turn of the event loop, or,
after a request of many operations, with the first turn that brings no more of them. Every queue is bounded; the time
limits of operations are kept by one timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from quorate.client.gathering import Gathering
from quorate.client.session import Completed, Failed, SendRequest, Session
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
from quorate.config import ClusterConfiguration
from quorate.errors import OperationFailed, PermissionDenied, RequestFailed, RequestRefused
from quorate.messages.protocol import Reply
from quorate.net.alarm import Alarm, microseconds_now

_MAYBE_EXECUTED: Final = "it may still be executed, once"
_OPERATION_FAILED: Final = (
    "the service failed at this operation, or its result was above reply_bytes_max: see the replicas' logs"
)
_ONLY_READS: Final = "this client may only read, and the operation may change something: it was not executed"
_STALLED_MICROSECONDS: Final = 100_000
"""When no request was begun or answered for so long, something is in the way."""


class _Lane:
    """A session, and whose operations its present request carries."""

    __slots__ = ("carried", "session", "writes")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.carried: list[Waiting] = []
        self.writes = False
        """Whether the present request may change something."""

    def is_deserted(self) -> bool:
        """Whether nobody waits for the present request any more."""
        return all(waiting.future.done() for waiting in self.carried)


class Coalescer:
    """Turns operations into requests and replies into results. Used from one event loop, inside which it is made."""

    def __init__(
        self,
        make_session: Callable[[], Session],
        send: Callable[[int, bytes], bool],
        configuration: ClusterConfiguration,
        limits: ClientLimits,
        describe: Callable[[], str],
    ) -> None:
        self._make_session = make_session
        self._send = send
        self._sessions_max = limits.sessions
        self._describe = describe
        """Says in words what is wrong with the links, for the text of a timeout."""
        self._loop = asyncio.get_running_loop()
        self._lanes: list[_Lane] = []
        self._queue = WaitingOperations(configuration, limits)
        self._dispatch_handle: asyncio.Handle | None = None
        self._gathering = Gathering()
        self._do_writes_wait = False
        self._moved_at = 0
        """When a request was begun or answered last."""
        self._alarm = Alarm(self._ring)
        self._expiry: int | None = None
        """No operation's time is up before this."""
        self._is_closed = False

    # ------------------------------------------------------------------------------------------ operations

    def submit(self, operation: bytes, timeout: float | None) -> asyncio.Future[bytes]:
        """Start *operation*, which may change something; see `AsyncClient.submit`."""
        waiting = new_waiting(operation, timeout, self._loop)
        self._do_writes_wait = True
        self.enqueue(waiting)
        return waiting.future

    def enqueue(self, waiting: Waiting) -> None:
        """Have an operation ordered that only reads, if there is room for it."""
        reason = CLOSED if self._is_closed else self._queue.refusal(waiting.operation)
        if reason is not None:
            fail_all([waiting], RequestRefused(reason))
        else:
            self.take_over(waiting)

    def take_over(self, waiting: Waiting) -> None:
        """Have an operation ordered that was accepted when it was submitted, and waited elsewhere since: those are
        bounded there."""
        self._queue.append(waiting)
        deadline = waiting.deadline
        if deadline is not None and (self._expiry is None or deadline < self._expiry):
            self._expiry = deadline
            self._alarm.set(deadline)
        self._schedule()

    @property
    def waiting_operations(self) -> int:
        """How many operations wait for a session."""
        return len(self._queue)

    def is_writing(self) -> bool:
        """Whether what may change something is on its way, and gets on."""
        is_under_way = self._do_writes_wait or any(lane.writes for lane in self._lanes)
        return is_under_way and microseconds_now() - self._moved_at < _STALLED_MICROSECONDS

    def close(self) -> None:
        """Nothing is sent any more; whoever waits is told so."""
        self._is_closed = True
        self._alarm.stop()
        fail_all(self._queue, RequestFailed("the client was closed before the operation was sent"))
        self._queue.clear()
        for lane in self._lanes:
            fail_all(lane.carried, RequestFailed("the client was closed: the operation's outcome is unknown"))
            lane.session.abandon()

    # -------------------------------------------------------------------------------------- from the links

    def awaits(self, reply: Reply) -> bool:
        """Whether a reply, not verified yet, would tell something."""
        return any(lane.session.awaits(reply.session, reply.timestamp) for lane in self._lanes)

    def receive(self, reply: Reply) -> None:
        """Take in a verified reply."""
        now = microseconds_now()
        for lane in self._lanes:
            if lane.session.awaits(reply.session, reply.timestamp):
                lane.session.receive(reply, now)
                self._settle(lane, now)

    def link_changed(self, replica_id: int) -> None:
        """The link to a replica was opened or lost: what waits for it goes to all (decisions)."""
        if self._is_closed:
            return
        now = microseconds_now()
        for lane in self._lanes:
            lane.session.link_changed(replica_id, now)
            self._settle(lane, now)

    # -------------------------------------------------------------------------------------------- requests

    def _dispatch(self) -> None:
        """Fill the free sessions with what waits."""
        self._dispatch_handle = None
        if self._is_closed:
            return
        if self._gathering.are_more_coming(len(self._queue)):
            self._schedule()
            return
        while self._queue:
            now = microseconds_now()
            lane = self._free_lane(now)
            if lane is None:
                return
            lane.carried = self._queue.take()
            lane.writes, self._do_writes_wait = self._do_writes_wait, self._do_writes_wait and bool(self._queue)
            if lane.carried:
                self._moved_at = now
                lane.session.begin(tuple([waiting.operation for waiting in lane.carried]), now)
                self._settle(lane, now)

    def _free_lane(self, now: int) -> _Lane | None:
        """A session that can send at once; else one that opens first, one at a time: replicas keep one opening of a
        client waiting, and a later one would push it out."""
        free = [lane for lane in self._lanes if lane.session.is_idle or self._desert(lane)]
        ready = next((lane for lane in free if not lane.session.needs_opening(now)), None)
        if ready is not None or any(lane.session.is_opening for lane in self._lanes):
            return ready
        if not free and len(self._lanes) < self._sessions_max:
            free.append(_Lane(self._make_session()))
            self._lanes += free
        return free[0] if free else None

    def _desert(self, lane: _Lane) -> bool:
        """Give up a request for which nobody waits any more."""
        if lane.is_deserted():
            lane.session.abandon()
            lane.carried, lane.writes = [], False
        return not lane.carried

    def _settle(self, lane: _Lane, now: int) -> None:
        """Do what the session wants done."""
        for effect in lane.session.settle(now):
            match effect:
                case SendRequest():
                    self._send_request(lane, effect, now)
                case Completed():
                    self._finish(lane, effect)
                case Failed():
                    carried, lane.carried, lane.writes = lane.carried, [], False
                    fail_all(carried, effect.error)
                    self._schedule()
        self._alarm.set(lane.session.next_deadline())

    def _send_request(self, lane: _Lane, effect: SendRequest, now: int) -> None:
        reached = [replica_id for replica_id in effect.receivers if self._send(replica_id, effect.frame)]
        if effect.needs_primary and lane.session.primary not in reached:
            lane.session.primary_lost(now)
            self._settle(lane, now)

    def _finish(self, lane: _Lane, completed: Completed) -> None:
        carried, lane.carried, lane.writes = lane.carried, [], False
        self._moved_at = microseconds_now()
        self._gathering.expected = len(carried)
        for waiting, result in zip(carried, completed.results, strict=True):
            if waiting.future.done():
                continue  # its time was up, or its caller gave up
            if result is None and completed.is_restricted:
                waiting.future.set_exception(PermissionDenied(_ONLY_READS))
            elif result is None:
                waiting.future.set_exception(OperationFailed(_OPERATION_FAILED))
            else:
                waiting.future.set_result(result)
        self._schedule()

    def _schedule(self) -> None:
        """Dispatch after the callers of what was finished had their turn, so that what they submit next goes along."""
        if self._dispatch_handle is None:
            self._dispatch_handle = self._loop.call_soon(self._dispatch)

    # ------------------------------------------------------------------------------------------------ time

    def _ring(self) -> None:
        """Some deadline may be due: sessions retransmit, operations time out."""
        now = microseconds_now()
        if self._expiry is not None and now >= self._expiry:
            self._sweep(now)
        for lane in self._lanes:
            deadline = lane.session.next_deadline()
            if deadline is not None:
                if now >= deadline:
                    self._settle(lane, now)
                else:
                    self._alarm.set(deadline)
        self._alarm.set(self._expiry)

    def _sweep(self, now: int) -> None:
        """Time out whatever is due, and note when to look again."""
        in_flight = [waiting for lane in self._lanes for waiting in lane.carried]
        why = self._describe()
        time_out(in_flight, now, f"no answer that enough replicas vouch for came in time{why}; {_MAYBE_EXECUTED}")
        time_out(self._queue, now, f"the operation could not be sent in time{why}")
        self._queue.drop_done()
        for lane in self._lanes:
            self._desert(lane)
        self._expiry = next_expiry([*in_flight, *self._queue], now)
        self._schedule()

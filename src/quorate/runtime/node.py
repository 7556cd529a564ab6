"""A node is a replica at work: frames come in, once a turn of the event loop the core draws its conclusions, effects go
out. It owns its replica; nothing else calls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from quorate.core.effects import Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import Inspect, Status
from quorate.net.alarm import Alarm
from quorate.net.links import FRAME_TOO_LARGE
from quorate.runtime.driver import Outlet
from quorate.runtime.inbox import Inbox
from quorate.runtime.ports import AwakeClock, Clock, Link
from quorate.runtime.reception import Reception
from quorate.runtime.roster import Roster
from quorate.runtime.schedule import Colleagues
from quorate.runtime.telemetry import Telemetry

TURN_FRAMES_MAX: Final = 256
"""Frames that one turn looks at; the rest waits for the next. So a flood of false signatures delays what the others
send by milliseconds."""


class Core(Protocol):
    """What a node needs of `core.replica.Replica`."""

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Take in one message."""

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Draw the conclusions."""

    def next_deadline(self) -> int | None:
        """When to settle again although nothing came in."""


class Node:
    """One replica, its links and its inbox. Satisfies `net.links.LinkHandler`."""

    def __init__(
        self,
        core: Core,
        driver: Outlet,
        roster: Roster,
        reception: Reception,
        inspect: Callable[[Link, Inspect], None],
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._core = core
        self._driver = driver
        self._roster = roster
        self._reception = reception
        self._inspect = inspect
        self._telemetry = telemetry
        self._clock = AwakeClock(clock)
        self._inbox = Inbox()
        self._colleagues = Colleagues()
        self._alarm = Alarm(self._schedule, self._clock.now)
        self._deadline: int | None = None
        self._turn_handle: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that it runs in, kept: to ask for it costs a system call, and a turn begins for every read."""
        driver.when_free = self._schedule

    def start(self) -> None:
        """Begin: what came in while the replica was not ready is looked at now."""
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def stop(self) -> None:
        """No more turns."""
        self._loop = None
        self._alarm.stop()
        if self._turn_handle is not None:
            self._turn_handle.cancel()

    def who_is_in_view(self, view: int, patience: int) -> set[int]:
        """The other replicas that said so within so many microseconds, and since their links opened."""
        return self._colleagues.in_view(view, self._clock.now() - patience)

    # ------------------------------------------------------------------------------------- from the links

    def link_opened(self, link: Link) -> None:
        """A peer proved who it is."""
        self._colleagues.forget(link.peer.replica_id)
        self._roster.add(link)
        self._telemetry.link_changed("link-opened", link.peer, {})

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        """Frames came in: they wait for the turn."""
        dropped = self._inbox.put(link, frames)
        if dropped:
            self._reception.refusals.count(link.peer.name, "inbox full", dropped)
        self._schedule()

    def link_closed(self, link: Link, reason: str) -> None:
        """The connection is gone, and with it what it brought and was not looked at."""
        self._roster.remove(link)
        self._colleagues.forget(link.peer.replica_id)
        self._inbox.discard(link)
        if reason.startswith(FRAME_TOO_LARGE):
            self._reception.refusals.count(link.peer.name, FRAME_TOO_LARGE)
        self._telemetry.link_changed("link-closed", link.peer, {"reason": reason})

    # -------------------------------------------------------------------------------------------- the turn

    def _schedule(self) -> None:
        if self._loop is not None and self._turn_handle is None:
            self._turn_handle = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_handle = None
        try:
            if self._driver.trouble is not None:
                self._answer_questions()
            elif not self._driver.is_behind:
                self._take_turn()
        except BaseException:
            self.stop()  # nothing may be concluded from a state in which a rule is broken
            raise

    def _take_turn(self) -> None:
        self._clock.woke(self._deadline)
        now = self._clock.now()
        wall = self._clock.wall()
        for link, frame in self._inbox.take(TURN_FRAMES_MAX):
            opened = self._reception.open(link, frame)
            if opened is None:
                continue
            if isinstance(opened.message, Inspect):
                self._inspect(link, opened.message)
                continue
            if isinstance(opened.message, Status):
                self._colleagues.hear(opened.message, now)
            self._core.receive(opened, now, wall)
        self._driver.perform(self._core.settle(now, wall))
        self._deadline = self._core.next_deadline()
        self._alarm.set(self._deadline)
        if self._inbox:
            self._schedule()

    def _answer_questions(self) -> None:
        """Nothing can be kept: as good as cut off, the replica still tells whoever asks how it is. The rest is dropped,
        as on a line that fails; when the trouble is over, the next turn is taken."""
        for link, frame in self._inbox.take(TURN_FRAMES_MAX):
            opened = self._reception.open(link, frame)
            if opened is not None and isinstance(opened.message, Inspect):
                self._inspect(link, opened.message)
        if self._inbox:
            self._schedule()

"""The one place where effects become I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from quorate.core.effects import Broadcast, CloseLinks, Effect, Persist, Send, SendReply, Trace
from quorate.messages.records import Record
from quorate.runtime.keeper import Keeper
from quorate.runtime.ports import Journal, Link
from quorate.runtime.roster import Roster

TURNS_AHEAD_MAX: Final = 16
"""Turns whose effects may wait for the disk while others are taken."""
REVOKED: Final = "its client was revoked"


def records_of(effects: Sequence[Effect]) -> list[Record]:
    """What a turn wants kept."""
    return [effect.record for effect in effects if isinstance(effect, Persist)]


class Outlet:
    """Lets effects out. Whoever derives from it sees to it that what they depend on is kept before."""

    def __init__(self, roster: Roster, trace: Callable[[Trace], None]) -> None:
        self._roster = roster
        self._trace = trace
        self.dropped_frames = 0
        """Frames that found no open link, or a full queue. The protocol repeats what matters."""
        self.when_free: Callable[[], None] = lambda: None
        """Called when a turn can be taken that could not be before."""

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the core wants done."""
        raise NotImplementedError

    @property
    def is_behind(self) -> bool:
        """Whether the next turn has to wait: too many wait for the disk."""
        return False

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept just now, and so nothing may be concluded either."""
        return None

    @property
    def damages(self) -> Mapping[str, int]:
        """What was found damaged on the disk, and how often."""
        return {}

    def release(self, effects: Sequence[Effect]) -> None:
        """What is to be kept is kept: let out what depends on it."""
        for effect in effects:
            match effect:
                case Broadcast(_, frame):
                    for link in self._roster.replicas():
                        self._send(link, frame)
                case SendReply(message, frame):
                    for link in self._roster.client(message.client):
                        self._send(link, frame)
                case Send(receiver, _, frame):
                    self._send(self._roster.replica(receiver), frame)
                case CloseLinks(client):
                    for link in tuple(self._roster.client(client)):
                        link.close(REVOKED)
                case Trace():
                    self._trace(effect)
                case Persist():
                    pass

    def _send(self, link: Link | None, frame: bytes) -> None:
        if link is None or not link.send(frame):
            self.dropped_frames += 1


class Driver(Outlet):
    """Performs the effects of a turn in their order, but for one thing: everything that the turn wants kept is written
    first and at once (a group commit). That is never later than the effects ask for, so nothing leaves before what
    it promises is kept.
    """

    def __init__(self, journal: Journal, roster: Roster, trace: Callable[[Trace], None]) -> None:
        super().__init__(roster, trace)
        self._journal = journal

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the core wants done."""
        records = records_of(effects)
        if records:
            self._journal.append(records)
        self.release(effects)


class PatientDriver(Outlet):
    """A driver whose journal takes its time: turns go on meanwhile, their effects wait, in order. What gathers while
    one commit is under way makes the next."""

    def __init__(self, keeper: Keeper, roster: Roster, trace: Callable[[Trace], None]) -> None:
        super().__init__(roster, trace)
        self._keeper = keeper
        self._waiting: list[Sequence[Effect]] = []
        self._is_committing = False
        keeper.when_changed = self._look_again

    @property
    def is_behind(self) -> bool:
        """Whether the next turn has to wait: too many wait for the disk."""
        return len(self._waiting) >= TURNS_AHEAD_MAX

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept just now."""
        return self._keeper.trouble

    @property
    def damages(self) -> Mapping[str, int]:
        """What was found damaged on the disk, and how often."""
        return self._keeper.damages

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the core wants done, once what it wants kept is."""
        if effects:
            self._waiting.append(effects)
        self._commit()

    def _commit(self) -> None:
        while self._waiting and not self._is_committing:
            turns, self._waiting = self._waiting, []
            records = [record for effects in turns for record in records_of(effects)]
            if records:
                self._is_committing = True
                self._keeper.commit(records, partial(self._end, turns))
            else:
                self._let_out(turns)

    def _end(self, turns: list[Sequence[Effect]]) -> None:
        was_behind = self.is_behind
        self._is_committing = False
        self._let_out(turns)
        self._commit()
        if was_behind:
            self.when_free()

    def _let_out(self, turns: list[Sequence[Effect]]) -> None:
        for effects in turns:
            self.release(effects)

    def _look_again(self) -> None:
        self.when_free()

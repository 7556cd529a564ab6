"""The one place where effects become I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quorate.core.effects import Broadcast, Effect, Persist, Send, SendReply, Trace
from quorate.runtime.ports import Journal, Link
from quorate.runtime.roster import Roster


class Driver:
    """Performs the effects of a turn in their order, but for one thing: everything that the turn wants kept is written
    first and at once (a group commit). That is never later than the effects ask for, so nothing leaves before what
    it promises is kept.
    """

    def __init__(self, journal: Journal, roster: Roster, trace: Callable[[Trace], None]) -> None:
        self._journal = journal
        self._roster = roster
        self._trace = trace
        self.dropped_frames = 0
        """Frames that found no open link, or a full queue. The protocol repeats what matters."""

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the core wants done."""
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            self._journal.append(records)
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
                case Trace():
                    self._trace(effect)
                case Persist():
                    pass

    def _send(self, link: Link | None, frame: bytes) -> None:
        if link is None or not link.send(frame):
            self.dropped_frames += 1

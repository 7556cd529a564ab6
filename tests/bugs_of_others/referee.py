"""The referee of a stage: the rules that hold whatever happens, checked on what correct replicas do (facts 1.4, 7.4).

Smaller than the simulator's judge, which the worlds of these tests have; this one sees a group's effects, step by step.
"""

from __future__ import annotations

from collections.abc import Collection

from quorate.core.admission import ORDINARY
from quorate.core.effects import Broadcast, Effect, Send, Trace
from quorate.messages.protocol import Checkpoint, Commit, Message, Prepare, PrePrepare


class Broken(Exception):
    """A rule was broken."""


class Referee:
    """Raises `Broken` at the first rule that is."""

    def __init__(self, correct: Collection[int]) -> None:
        self._correct = frozenset(correct)
        self._known: dict[tuple[object, ...], object] = {}
        self._executed_last: dict[int, int] = {}

    def watch(self, replica: int, effects: list[Effect]) -> None:
        """A replica does this."""
        if replica not in self._correct:
            return
        for effect in effects:
            if isinstance(effect, Trace):
                self._hear(replica, effect)
            elif isinstance(effect, Broadcast | Send):
                self._see_vote(replica, effect.message)

    def see_start(self, replica: int) -> None:
        """Its process starts anew: it executes again from a checkpoint."""
        self._executed_last.pop(replica, None)

    def _one(self, rule: str, key: tuple[object, ...], value: object) -> None:
        """There is one value for the key, whoever says it."""
        known = self._known.setdefault((rule, *key), value)
        if known != value:
            raise Broken(rule, key, known, value)

    def _see_vote(self, replica: int, message: Message) -> None:
        if getattr(message, "replica", None) != replica:
            return
        if isinstance(message, PrePrepare | Prepare | Commit):
            self._one("one vote a view", (replica, message.view, message.sequence_number), message.digest)
        elif isinstance(message, Checkpoint):
            self._one("one vote a checkpoint", (replica, message.sequence_number), message.digest)

    def _hear(self, replica: int, trace: Trace) -> None:
        details = trace.details
        number, digest = details.get("sequence_number"), details.get("digest")
        match trace.event:
            case "prepared":
                self._one("prepared uniqueness", (details["view"], number), digest)
            case "committed" | "decided":
                self._one("agreement", (number,), digest)
            case "executed":
                self._one("agreement", (number,), digest)
                self._see_executed(replica, details)
            case "checkpoint":
                self._one("equal checkpoints", (number,), digest)
            case "state-fetched":
                assert isinstance(number, int)
                self._executed_last[replica] = number
            case "refused" if details["sender"] in self._correct and details["reason"] not in ORDINARY:
                raise Broken("no slander", replica, details)

    def _see_executed(self, replica: int, details: dict[str, object]) -> None:
        number, requests = details["sequence_number"], details["requests"]
        assert isinstance(number, int)
        assert isinstance(requests, list)
        before = self._executed_last.get(replica, number - 1)
        if number != before + 1:
            raise Broken("order", replica, before, number)
        self._executed_last[replica] = number
        for client, session, timestamp, outcome in requests:
            if outcome >= 0:
                self._one("exactly once", (client, session, timestamp), number)

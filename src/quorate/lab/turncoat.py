"""What a laboratory's replica drives: the real rules, until it is told to put lies around them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from quorate.adversary.registry import make_traitor
from quorate.adversary.traitor import Process, Tools
from quorate.core.effects import Effect, Trace
from quorate.core.ports import Opened
from quorate.lab.control import Event, Refusal

EVENTS_MAX: Final = 100_000
REFUSALS_MAX: Final = 1_000
"""Kinds of refusals that are told apart."""
RECORDED: Final = frozenset(
    {
        *("prepared", "committed", "executed", "checkpoint"),
        *("entered-view", "view-change", "state-fetched", "state-diverged"),
    }
)
"""What the judge looks at."""
ORDINARY: Final = frozenset({"pre-prepared", "prepared", "committed", "executed", "decided", "checkpoint", "stable"})
"""Steps that a replica tells of only while somebody watches; so are refusals."""


class Turncoat:
    """One replica, honest or not. Satisfies `runtime.node.Core`, and remembers what the honest rules traced."""

    def __init__(self, replica: Process, make: Callable[[], Process], tools: Callable[[Random], Tools]) -> None:
        self.lies: tuple[str, ...] = ()
        self.has_lied = False
        self.failure = ""
        self.is_watched = False
        """Whether somebody reads the ordinary steps in the log."""
        self._replica = replica
        self._make = make
        self._tools = tools
        self._process = replica
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._refusals: Counter[tuple[str, str, int | None]] = Counter()

    # --------------------------------------------------------------------------------- the face of a replica

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Take in one message."""
        try:
            self._process.receive(opened, now, wall)
        except Exception as error:  # noqa: BLE001 - it goes on unless this is a traitor
            self._fall_silent(error)

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Draw the conclusions."""
        try:
            effects = self._process.settle(now, wall)
        except Exception as error:  # noqa: BLE001 - it goes on unless this is a traitor
            self._fall_silent(error)
            return []
        return [effect for effect in effects if not isinstance(effect, Trace) or self._hear(effect, now)]

    def next_deadline(self) -> int | None:
        """When to settle again although nothing came in."""
        return self._process.next_deadline()

    def report(self) -> Any:
        """What the honest replica would say."""
        return self._replica.report()

    # --------------------------------------------------------------------------------------- what it is told

    def lie(self, names: tuple[str, ...], seed: int) -> None:
        """Be a traitor: the honest replica as it is now, inside these strategies."""
        present: list[Process] = [self._replica]

        def make() -> Process:
            return present.pop() if present else self._make()

        self._process = make_traitor(names, self._tools(Random(seed)), make)
        self.lies, self.has_lied, self.failure = names, True, ""

    def behave(self) -> None:
        """Follow the rules again; but what its own lies stopped stays stopped."""
        self.lies = ()
        if not self.failure:
            self._process = self._replica

    def events(self) -> tuple[Event, ...]:
        """What the rules did, the latest of it."""
        return tuple(self._events)

    def refusals(self) -> tuple[Refusal, ...]:
        """What the rules refused."""
        return tuple(Refusal(*kind, count) for kind, count in self._refusals.items())

    # ------------------------------------------------------------------------------------------------ inside

    def _hear(self, trace: Trace, now: int) -> bool:
        """Remember a trace; whether it goes on to the log."""
        if trace.event in RECORDED:
            self._events.append(Event(now, trace.event, trace.details))
        elif trace.event == "refused":
            self._count(trace.details)
        return self.is_watched or not (trace.event in ORDINARY or trace.event == "refused")

    def _count(self, details: dict[str, Any]) -> None:
        sender = details["sender"]
        kind = (details["type"], details["reason"], sender if isinstance(sender, int) else None)
        if kind in self._refusals or len(self._refusals) < REFUSALS_MAX:
            self._refusals[kind] += 1

    def _fall_silent(self, error: Exception) -> None:
        """A lie may lead the rules where they stop. That is a traitor's affair; an honest replica's error is not."""
        if not self.has_lied:
            raise error
        self.failure = f"{type(error).__name__}: {error}"
        self._process = _Silence(self._replica)


class _Silence:
    """A process that is there and does nothing. Has the face of a replica."""

    def __init__(self, replica: Process) -> None:
        self._replica = replica

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Nothing."""

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Nothing."""
        return []

    def next_deadline(self) -> int | None:
        """Never."""
        return None

    def report(self) -> Any:
        """What the honest replica would say."""
        return self._replica.report()

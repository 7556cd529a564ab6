"""The stage on which others' bugs are played again: a group of real replicas under the eyes of a referee, whole
simulated worlds, and rules that are weakened on purpose, to see that a test would notice."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Collection, Iterable
from types import FunctionType

import msgspec
import pytest

from bugs_of_others.referee import Broken, Referee
from core.group import Group, total_of
from quorate.config import Settings
from quorate.core.context import Status
from quorate.core.effects import Effect
from quorate.core.replica import Replica
from quorate.core.view_change import own_view_change
from quorate.errors import AuthenticationFailed, InvariantViolation
from quorate.messages.protocol import CheckpointClaim, Message, Request, ViewChange
from quorate.messages.records import Record
from quorate.sim.plan import ClientPlan, NetworkPlan, Plan
from quorate.sim.world import Outcome, World

SMALL = Settings(checkpoint_interval=4)
SECOND = 1_000_000


CAUGHT = (Broken, InvariantViolation)
"""How a broken rule shows: to the referee, or to the replica itself."""


class Stage(Group):
    """A group whose correct replicas are watched at every step, and one client that counts."""

    def __init__(self, replica_count: int = 4, settings: Settings = SMALL, liars: Collection[int] = ()) -> None:
        super().__init__(replica_count, settings)
        self.correct = [number for number in range(replica_count) if number not in liars]
        self.referee = Referee(self.correct)
        self.asked = 0
        self.unauthentic = 0
        self._session = 0

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """Do what a replica wants done, and let the referee see it."""
        self.referee.watch(sender, effects)
        super().perform(sender, effects)

    def receive(self, receiver: int, frame: bytes) -> None:
        """Hand a frame to one replica; what is not authentic there is dropped, as the runtime does."""
        try:
            super().receive(receiver, frame)
        except AuthenticationFailed:
            self.unauthentic += 1

    def restart(self, number: int, records: Iterable[Record] | None = None) -> Replica:
        """The process dies and a new one starts; it executes again from its checkpoint."""
        self.referee.see_start(number)
        return super().restart(number, records)

    def open(self) -> None:
        """Open the client's session, unless it is open."""
        if not self._session:
            self._session = self.open_session()

    def add(self, count: int = 1, *receivers: int) -> None:
        """The client asks *count* times to add one, at the given replicas, all by default."""
        self.open()
        for _ in range(count):
            self.asked += 1
            self.submit(self.request((b"add 1",), self._session, self.asked), *receivers)

    def retry(self, *receivers: int) -> None:
        """The client sends its last request again."""
        self.submit(self.request((b"add 1",), self._session, self.asked), *receivers)

    def cut(self, *kinds: type[Message], only_to: Collection[int] = (), only_from: Collection[int] = ()) -> None:
        """From now on messages of these types (all by default) are lost; to, or from, these replicas only."""

        def reaches(sender: int, receiver: int, message: Message) -> bool:
            is_meant = (not only_to or receiver in only_to) and (not only_from or sender in only_from)
            return not (is_meant and (not kinds or isinstance(message, kinds)))

        self.reaches = reaches

    def mend(self) -> None:
        """Everything arrives again."""
        self.reaches = lambda sender, receiver, message: True

    def views(self) -> list[int]:
        """The views of the correct replicas."""
        return [self.core(number).view for number in self.correct]

    def executed(self) -> list[int]:
        """What the correct replicas executed last."""
        return [self.core(number).last_executed for number in self.correct]

    def totals(self) -> list[int]:
        """What the counters of the correct replicas stand at."""
        return [total_of(self.services[number]) for number in self.correct]

    def is_level(self) -> bool:
        """Whether every correct replica is in one view and has executed everything that was asked."""
        normal = {self.core(number).status for number in self.correct} == {Status.NORMAL}
        return normal and len(set(self.views())) == 1 and set(self.totals()) == {self.asked}

    def assert_recovers(self, milliseconds: int = 30_000) -> None:
        """All is mended, whoever is correct runs; soon everything that was asked is done, everywhere, once."""
        self.mend()
        self.stopped -= set(self.correct)
        for _ in range(milliseconds // 100):
            self.advance(100)
            if self.is_level():
                break
        reports = [self.replicas[number].report() for number in self.correct]
        assert self.is_level(), (self.asked, self.totals(), reports)

    def truth(self, number: int, view: int) -> ViewChange:
        """The VIEW-CHANGE for *view* that a replica would truly send now."""
        return replace(own_view_change(self.core(number)), view=view)

    def blank(self, number: int, view: int, **changes: object) -> ViewChange:
        """A VIEW-CHANGE that knows nothing, but for *changes*."""
        genesis = CheckpointClaim(0, Group(1, self.configuration.settings).core(0).checkpoints.held[0].digest)
        return replace(ViewChange(view, 0, (genesis,), (), (), number, 0), **changes)

    def waiting(self, number: int) -> list[Request]:
        """What waits at a replica."""
        return [waiting.request for waiting in self.core(number).waiting.oldest_first()]


def replace(message: ViewChange, **changes: object) -> ViewChange:
    """A VIEW-CHANGE with some fields changed."""
    return msgspec.structs.replace(message, **changes)


def weaken(monkeypatch: pytest.MonkeyPatch, function: Callable[..., object], old: str, new: str) -> None:
    """Change a text in the source of a rule, everywhere where the rule is used, until the test ends."""
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} is not once in {function.__qualname__}"
    made: dict[str, FunctionType] = {}
    exec(compile(source.replace(old, new), function.__qualname__, "exec"), function.__globals__, made)  # noqa: S102 - our own rule, changed
    monkeypatch.setattr(function, "__code__", made[function.__name__].__code__)


def plan_of(settings: Settings = SMALL, **changes: object) -> Plan:
    """A world of four replicas and two clients in one room, but for *changes*."""
    fields: dict[str, object] = {
        "seed": 1,
        "profile": "scenario",
        "replicas": 4,
        "settings": settings,
        "network": NetworkPlan(),
        "clients": (ClientPlan(requests=40, think=20_000), ClientPlan(requests=40, think=20_000)),
    }
    return Plan(**{**fields, **changes})  # type: ignore[arg-type]


def play(plan: Plan, *looks: tuple[int, Callable[[World], None]]) -> tuple[World, Outcome]:
    """Run a world; *looks* are made at their times. Everything that the judge sees must be right."""
    world, outcome = play_judged(plan, *looks)
    assert outcome.verdicts == ()
    return world, outcome


def play_judged(plan: Plan, *looks: tuple[int, Callable[[World], None]]) -> tuple[World, Outcome]:
    """Run a world, whatever the judge says of it."""
    world = World(plan)
    for time, look in looks:
        world.schedule(time, lambda look=look: look(world))  # type: ignore[misc]
    return world, world.run()

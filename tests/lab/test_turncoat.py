"""A replica that can be turned: honest until it is told otherwise, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from quorate.adversary.traitor import Conspiracy, Process, Tools
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.core.effects import Broadcast, Effect, Persist, Trace
from quorate.core.ports import Opened
from quorate.folder import ClusterFolder, load_replica
from quorate.lab.turncoat import Turncoat
from quorate.messages.codec import Envelope
from quorate.messages.protocol import Commit

COMMIT = Commit(0, 1, bytes(32), 0)
OPENED = Opened(COMMIT, Envelope(b"", b""), b"")


class Scripted:
    """A process that wants done what the test says, or raises."""

    def __init__(self, *effects: Effect) -> None:
        self.effects = list(effects)
        self.received = 0
        self.error: Exception | None = None

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        self.received += 1
        if self.error is not None:
            raise self.error

    def settle(self, now: int, wall: int) -> list[Effect]:
        return list(self.effects)

    def next_deadline(self) -> int | None:
        return 77

    def report(self) -> Any:
        return "report"


@pytest.fixture
def tools(cluster: ClusterFolder) -> Callable[[Random], Tools]:
    folder = load_replica(cluster.replica(0))
    authenticator = ReplicaAuthenticator(0, folder.key_pair, folder.configuration)
    return lambda random: Tools(0, authenticator, folder.configuration, random, Conspiracy())


def turncoat_of(process: Process, tools: Callable[[Random], Tools]) -> Turncoat:
    return Turncoat(process, Scripted, tools)


def test_an_honest_replica_is_left_alone(tools: Any) -> None:
    said: list[Effect] = [Broadcast(COMMIT, b"frame"), Trace("entered-view", {"view": 1, "primary": 1})]
    turncoat = turncoat_of(Scripted(*said), tools)

    assert turncoat.settle(5, 6) == said
    assert turncoat.next_deadline() == 77
    assert turncoat.report() == "report"
    assert not turncoat.has_lied


def test_ordinary_steps_are_remembered_and_go_no_further(tools: Any) -> None:
    step = Trace("committed", {"sequence_number": 1, "digest": b"d"})
    turncoat = turncoat_of(Scripted(step), tools)

    assert turncoat.settle(5, 6) == []
    assert [(event.time, event.name) for event in turncoat.events()] == [(5, "committed")]

    turncoat.is_watched = True
    assert turncoat.settle(7, 8) == [step]


def test_refusals_are_counted_by_sender(tools: Any) -> None:
    refused = [Trace("refused", {"type": "Commit", "reason": "odd", "sender": sender}) for sender in (2, 2, b"client")]
    turncoat = turncoat_of(Scripted(*refused), tools)

    turncoat.settle(5, 6)

    assert {(one.sender, one.count) for one in turncoat.refusals()} == {(2, 2), (None, 1)}


def test_it_lies_until_it_is_told_to_behave(tools: Any) -> None:
    said = Broadcast(COMMIT, b"frame")
    turncoat = turncoat_of(Scripted(said), tools)

    turncoat.lie(("mute",), 1)

    assert turncoat.settle(5, 6) == []
    turncoat.behave()
    assert turncoat.settle(7, 8) == [said]
    assert turncoat.lies == ()
    assert turncoat.has_lied


def test_the_first_of_two_twins_is_the_replica_as_it_is(tools: Any) -> None:
    made: list[Process] = []

    def make() -> Process:
        made.append(Scripted())
        return made[-1]

    Turncoat(Scripted(), make, tools).lie(("twins",), 1)

    assert len(made) == 1


def test_a_defect_of_an_honest_replica_is_not_hidden(tools: Any) -> None:
    process = Scripted()
    process.error = ValueError("defect")

    with pytest.raises(ValueError, match="defect"):
        turncoat_of(process, tools).receive(OPENED, 5, 6)


def test_a_traitor_that_its_lies_stop_falls_silent(tools: Any) -> None:
    process = Scripted(Broadcast(COMMIT, b"frame"), Persist(None))  # type: ignore[arg-type]
    turncoat = turncoat_of(process, tools)
    turncoat.lie(("wrong-replies",), 1)
    process.error = ValueError("led astray")

    turncoat.receive(OPENED, 5, 6)

    assert turncoat.failure == "ValueError: led astray"
    assert turncoat.settle(5, 6) == []
    turncoat.behave()
    assert turncoat.settle(7, 8) == []
    assert turncoat.next_deadline() is None

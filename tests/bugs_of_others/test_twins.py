"""Twins of the primary and of a backup, up to twelve rounds (scenario 17; facts 7.2, B19).

Two honest processes have the keys of one replica. In each round the five processes are divided in two, each side gets
another request, and time passes until timers expire: two primaries that propose different batches under one name, two
backups that vote for different digests, and each forgets what the other promised. The whole enumeration is
`quorate`'s own Twins; here are all divisions held for some rounds, and samples of changing ones.
"""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from bugs_of_others.staging import CAUGHT, Stage, weaken
from core.group import KeptCounter, total_of
from quorate.config import Settings
from quorate.core.effects import Effect, Send
from quorate.core.log import MessageLog
from quorate.core.replica import Replica
from quorate.messages.protocol import Message

TWIN = 4
SETTINGS = Settings(checkpoint_interval=4, view_change_timeout_ms=300, status_interval_ms=50)
Side = frozenset[int]
DIVISIONS = [frozenset({0, *others}) for count in range(5) for others in combinations((1, 2, 3, TWIN), count)]


class TwinStage(Stage):
    """Four replicas, and a twin of one of them."""

    def __init__(self, twinned: int) -> None:
        super().__init__(4, SETTINGS, liars=(twinned,))
        self.twinned = twinned
        self.open()
        service = KeptCounter({})
        self.kept.append({})
        self.services.append(service)
        self.authenticators.append(self.authenticators[twinned])
        self.records.append([])
        self.traces.append([])
        records = self.records[twinned]
        self.replicas.append(Replica(twinned, self.configuration, service, self.authenticators[twinned], records))
        self.serial = 1

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """What is sent to the one of whom there are two reaches the twin too, if it is on that side."""
        super().perform(sender, effects)
        for effect in effects:
            if len(self.replicas) <= TWIN or sender == TWIN or not isinstance(effect, Send):
                continue
            if effect.receiver == self.twinned and self.reaches(sender, TWIN, effect.message):
                self.wire.append((sender, TWIN, effect.frame))

    def divide(self, side: Side) -> None:
        """Messages stay on their side; the twins never hear each other."""

        def reaches(sender: int, receiver: int, message: Message) -> bool:
            return {sender, receiver} != {self.twinned, TWIN} and (sender in side) == (receiver in side)

        self.reaches = reaches

    def play_round(self, side: Side) -> None:
        """Another request for each side, and time for the timers."""
        self.divide(side)
        for client in range(2):
            self.serial += 1
            request = self.request((), 0, self.serial, client)
            self.submit(request, *(number for number in range(5) if (number in side) == (client == 0)))
        self.advance(400)

    def end(self) -> None:
        """The twins stop; the three others agree and go on."""
        self.stopped |= {self.twinned, TWIN}
        self.add()
        self.assert_recovers()
        assert (
            len({self.core(number).log.decided_digest(self.core(number).last_executed) for number in self.correct}) == 1
        )
        assert {total_of(self.services[number]) for number in self.correct} == {1}


@pytest.mark.parametrize("twinned", [0, 1], ids=["the primary", "a backup"])
def test_scenario_17_twins_in_every_division(twinned: int) -> None:
    """Twins (Diem) finds equivocation, double votes and lost state by running unmodified replicas twice under one name.
    Each of the sixteen divisions is held for three rounds and then healed for one: no two correct replicas decide
    differently, no view prepares two digests, and once the twins are gone the rest goes on."""
    for side in DIVISIONS:
        stage = TwinStage(twinned)
        for _ in range(3):
            stage.play_round(side)
        stage.play_round(frozenset(range(5)))
        stage.end()


@pytest.mark.parametrize("twinned", [0, 1], ids=["the primary", "a backup"])
def test_scenario_17_twins_in_changing_divisions(twinned: int) -> None:
    """Known flaws of protocols show within a dozen rounds: samples of twelve rounds, each with another division."""
    for seed in range(8):
        random = Random(seed)
        stage = TwinStage(twinned)
        for _ in range(12):
            stage.play_round(random.choice(DIVISIONS))
        stage.end()


def test_scenario_17_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared with one vote too few: the twins' two proposals both prepare."""
    weaken(monkeypatch, MessageLog.is_prepared, "self.quorums.quorum - 1", "self.quorums.quorum - 2")
    with pytest.raises(CAUGHT):
        test_scenario_17_twins_in_every_division(0)

"""Traitors and lying clients that help each other: they use each other's keys, and f of them break nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from msgspec.structs import replace

from quorate.adversary.traitor import Conspiracy
from quorate.config import Settings
from quorate.core.effects import Trace
from quorate.core.replica import Replica
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Commit, Outcome, Prepare, PrePrepare, Request
from quorate.sim.cluster import key_pair
from quorate.sim.plan import ClientPlan, NetworkPlan, Pause, Plan, TraitorPlan
from quorate.sim.world import World

BASE_MS = 50


def plan(replicas: int, *strategies: str, liars: tuple[str, ...] = (), traitors: int | None = None) -> Plan:
    """A quiet world in which the first f replicas lie in these ways, and one client more if it is to."""
    count = (replicas - 1) // 3 if traitors is None else traitors
    honest = (ClientPlan(requests=20), ClientPlan(requests=20))
    return Plan(
        seed=1,
        profile="by hand",
        replicas=replicas,
        settings=Settings(
            checkpoint_interval=4,
            request_authentication="mac",
            view_change_timeout_ms=BASE_MS,
            view_change_timeout_max_ms=8 * BASE_MS,
            status_interval_ms=20,
            read_only_path=False,
        ),
        network=NetworkPlan(),
        clients=(*honest, ClientPlan(requests=20, strategies=liars)) if liars else honest,
        traitors=tuple(TraitorPlan(replica, strategies) for replica in range(count)),
        safety=500_000,
        liveness=20_000_000,
    )


class Listener:
    """Hears what travels, and what correct replicas do."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, int, bytes]] = []
        self.outcomes: Counter[tuple[bytes, int]] = Counter()
        """How often a client's requests ended so."""

    def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        self.frames.append((sender, receiver, frame))

    def note(self, time: int, node: int | None, text: str) -> None:
        pass

    def trace(self, time: int, node: int, effect: Trace) -> None:
        if effect.event == "executed":
            requests = effect.details["requests"]
            assert isinstance(requests, list)
            self.outcomes.update((client, outcome) for client, _, _, outcome in requests)

    def messages(self) -> list[tuple[int, int, object]]:
        """All that decodes: liars send what does not, too."""
        decoded: list[tuple[int, int, object]] = []
        for sender, receiver, frame in self.frames:
            with suppress(MalformedMessage):
                decoded.append((sender, receiver, decode(decode_envelope(frame).payload)))
        return decoded


@pytest.mark.parametrize("replicas", [4, 7, 10])
@pytest.mark.parametrize("authentication", ["mac", "signature"])
def test_f_traitors_that_back_each_other_break_nothing(replicas: int, authentication: str) -> None:
    """In every proposal of theirs a quorum with them is told one thing, the rest another."""
    colluding = plan(replicas, "collude", liars=("two-faced",))
    world = World(replace(colluding, settings=replace(colluding.settings, replica_authentication=authentication)))
    assert world.run().verdicts == ()
    assert len(world._conspiracy.rivals) >= 3, "it is left as soon as one sees it (TIMER-6)"


def test_the_primary_votes_for_its_accomplice_on_both_sides() -> None:
    listener = Listener()
    assert World(plan(7, "collude"), listener).run().verdicts == ()
    told: dict[tuple[int, int], dict[int, bytes]] = {}
    votes: dict[tuple[int, int], dict[int, set[bytes]]] = {}
    for sender, receiver, message in listener.messages():
        if sender == 0 and receiver > 1 and isinstance(message, PrePrepare) and message.replica == 0:
            told.setdefault((message.view, message.sequence_number), {})[receiver] = message.digest
        if receiver > 1 and isinstance(message, Prepare | Commit) and message.replica < 2:
            seen = votes.setdefault((message.view, message.sequence_number), {})
            seen.setdefault(receiver, set()).add(message.digest)
    split = {key: digests for key, digests in told.items() if len(set(digests.values())) == 2}
    assert split
    for key, digests in split.items():
        assert sorted(Counter(digests.values()).values()) == [2, 3]
        assert {receiver: {digest} for receiver, digest in digests.items()}.items() >= votes[key].items()


@pytest.mark.parametrize(("replicas", "traitors"), [(4, 2), (7, 3)])
def test_f_plus_1_that_back_each_other_break_agreement(replicas: int, traitors: int) -> None:
    """N8, the sanity of judge and adversary: one colluder more, and two batches commit at one number."""
    (verdict,) = World(plan(replicas, "collude", traitors=traitors)).run().verdicts
    assert verdict.rule in ("agreement", "prepared uniqueness", "equal executions")


def test_a_liars_two_faces_are_in_the_two_batches() -> None:
    """The primary makes the second request itself, with the key that the client lent it."""
    listener = Listener()
    assert World(plan(4, "collude", liars=("far-timestamp",)), listener).run().verdicts == ()
    assert any(b"append liar rival." in frame for sender, _, frame in listener.frames if sender == 0)


def test_requests_at_will_are_executed_under_a_lent_key_and_denied_under_a_replicas() -> None:
    """C10, C11: a client that lends its key harms itself alone; a replica's own key is no client's."""
    listener = Listener()
    assert World(plan(4, "own-requests", liars=("far-timestamp",)), listener).run().verdicts == ()
    liar, replica = key_pair("client", 2).public_key, key_pair("replica", 0).public_key
    made = [m for _, _, m in listener.messages() if isinstance(m, Request) and m.client == replica]
    assert made
    assert listener.outcomes[liar, Outcome.SESSION_OPENED] > 1
    assert {outcome for client, outcome in listener.outcomes if client == replica} == {-1}
    assert listener.outcomes[replica, -1] > 0


def test_requests_under_a_replicas_key_are_refused_from_a_client() -> None:
    refusals = World(plan(4, "own-requests", liars=("pose-as-replica",))).run().refusals
    assert refusals["REQUEST: of a replica, and none to recover"] > 0


def test_certificates_of_f_signatures_hold_nowhere() -> None:
    """B7: with everything signed, P proves itself, and all traitors together are f."""
    forging = replace(plan(7, "forge-certificates"), faults=(Pause(20_000, 200_000, 0),))
    outcome = World(replace(forging, settings=replace(forging.settings, replica_authentication="signature"))).run()
    assert outcome.verdicts == ()
    assert outcome.refusals["ViewChange: a prepared certificate of P does not hold"] > 0


def test_time_outs_are_inflated_and_come_down_again() -> None:
    """P9: seconding who is impatient, the traitor makes the others' time-outs double, up to the cap, no further; once
    they make progress without it they are short again."""

    class Watch(Listener):
        longest = 0

        def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
            for node in world.replicas:
                if isinstance(node.behaviour, Replica):
                    self.longest = max(self.longest, node.behaviour.core.timers.timeout)

    inflating = plan(4, "inflate-timeouts")
    watch = Watch()
    pauses = tuple(Pause(at, at + 120_000, 1 + at // 100_000 % 3) for at in range(0, 500_000, 100_000))
    world = World(replace(inflating, faults=pauses, clients=(ClientPlan(requests=200),)), watch)
    assert world.run().verdicts == ()
    base = 1000 * BASE_MS
    assert 2 * base <= watch.longest <= 8 * base


def test_a_conspiracy_keeps_no_more_than_it_needs() -> None:
    conspiracy = Conspiracy()
    for at in range(3000):
        conspiracy.remember_request(b"%d" % at)
    assert len(conspiracy.requests) == 256

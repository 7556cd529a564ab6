"""Replicas that lose their votes in the simulator recover (docs/RECOVERY.md)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.core.replica import Replica
from quorate.sim.plan import Crash, Plan
from quorate.sim.world import Outcome, World
from sim.test_liveness import PLAN

CLIENTS = tuple(replace(client, requests=20, think=20_000) for client in PLAN.clients)
LOST = Crash(100_000, 150_000, 2, None, True)


def play(plan: Plan) -> tuple[World, Outcome]:
    world = World(plan)
    outcome = world.run()
    assert outcome.verdicts == ()
    return world, outcome


def epochs(world: World, replica: int) -> set[int]:
    """What the correct replicas hold for the epoch of one."""
    cores = [node.behaviour.core for node in world.replicas if isinstance(node.behaviour, Replica)]
    return {core.tables.recoveries.epoch_of(replica) for core in cores}


@pytest.mark.parametrize("mode", ["mac", "signature"])
def test_a_replica_that_lost_its_votes_recovers(mode: str) -> None:
    settings = replace(PLAN.settings, replica_authentication=mode, checkpoint_interval=4)
    world, outcome = play(replace(PLAN, faults=(LOST,), clients=CLIENTS, settings=settings))
    assert outcome.happened["recovery"] == 1
    assert not world.replicas[2].has_lost_votes
    (epoch,) = epochs(world, 2)
    assert epoch > 0
    assert world.replicas[2].report().status == "normal"


def test_with_its_votes_back_another_may_lose_its_own() -> None:
    """One after the other, more than f in all: each counts as one of the f until it has recovered."""
    settings = replace(PLAN.settings, checkpoint_interval=2)
    again = tuple(Crash(100_000 + 700_000 * at, 150_000 + 700_000 * at, at, None, True) for at in range(4))
    clients = tuple(replace(client, requests=60, think=40_000) for client in PLAN.clients)
    world, outcome = play(replace(PLAN, faults=again, clients=clients, settings=settings, safety=3_500_000))
    assert outcome.happened["recovery"] == 4
    assert all(epochs(world, replica) != {0} for replica in range(4))


def test_a_crash_in_the_middle_of_a_recovery_is_survived() -> None:
    """The pause between two recoveries is short enough for another."""
    settings = replace(PLAN.settings, checkpoint_interval=4, recovery_pause_ms=50)
    for effects in range(0, 60, 6):
        crash = Crash(160_000, 200_000, 2, effects, False)
        world, _ = play(replace(PLAN, faults=(LOST, crash), clients=CLIENTS, settings=settings))
        assert not world.replicas[2].has_lost_votes


def test_runs_with_recoveries_and_refreshed_keys_repeat_exactly() -> None:
    """The keys' bytes are the real ones and follow from the seed."""
    settings = replace(PLAN.settings, checkpoint_interval=4, key_refresh_ms=200)
    plan = replace(PLAN, faults=(LOST,), clients=CLIENTS, settings=settings)
    _, one = play(plan)
    _, two = play(plan)
    _, other = play(replace(plan, seed=plan.seed + 1))
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert one.unauthentic > 0
    assert one.happened["recovery"] == 1

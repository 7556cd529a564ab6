"""Memory that rots in a simulated world: the replica is one of the f until it has found that and repaired it, and the
judge sees to it that it does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.core import state_transfer
from quorate.core.context import Core
from quorate.core.quorum import quorums_of
from quorate.core.replica import Replica
from quorate.sim.explore import Campaign, run_seed
from quorate.sim.liveness import check_states
from quorate.sim.plan import BitRot, Crash, Fault, MemoryRot, Plan, RotKind
from quorate.sim.profiles import PROFILES, draw_plan
from quorate.sim.register import RegisterService
from quorate.sim.rot import KINDS, damage
from quorate.sim.world import World
from sim.test_liveness import PLAN

CLIENTS = tuple(replace(client, requests=20, think=20_000) for client in PLAN.clients)


def plan_of(*faults: Fault) -> Plan:
    return replace(PLAN, faults=faults, clients=CLIENTS)


def played(checkpoint_interval: int = 4) -> World:
    """A world in which all that clients asked for is done."""
    world = World(replace(plan_of(), settings=replace(PLAN.settings, checkpoint_interval=checkpoint_interval)))
    world.start()
    world.advance(400_000)
    assert all(client.is_done for client in world.clients)
    return world


def rules(world: World) -> list[str]:
    return [verdict.rule for verdict in world.run().verdicts]


def incidents(world: World, replica: int) -> list[str]:
    report = world.replicas[replica].report()
    assert report is not None
    return [what for what in report.incidents if what.startswith("STATE: ")]


def values(world: World, replica: int) -> list[bytes]:
    service = world.replicas[replica].service.service
    assert isinstance(service, RegisterService)
    return [service.value(b"k%d" % key) for key in range(2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9])
def test_it_is_found_repaired_and_told(kind: RotKind, place: float) -> None:
    """When nothing is written any more, and all is in a checkpoint: the scrub alone finds it."""
    world = played(checkpoint_interval=1)
    node = world.replicas[2]
    assert node.service.rot(kind, place)
    assert not node.service.is_sound
    world.advance(2_000_000)
    assert world.judge.verdicts == []
    assert node.service.is_sound
    assert incidents(world, 2)
    assert world.judge.rotten.found == {2}
    assert world.judge.rotten.replicas == set()
    assert values(world, 2) == values(world, 0)
    assert not any(incidents(world, other) for other in (0, 1, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [100_000, 250_000, 499_000])
def test_a_whole_world_with_it_ends_well(kind: RotKind, at: int) -> None:
    """Also when clients write where it rotted, when it rots twice, and when the process dies meanwhile."""
    once = MemoryRot(at, 2, kind, 0.5)
    for faults in ((once,), (once, MemoryRot(at + 900, 2, kind, 0.1)), (once, Crash(at + 500, at + 20_000, 2))):
        world = World(plan_of(*faults))
        assert rules(world) == []
        assert world.happened["memory rot"] > 0
        assert world.replicas[2].service.is_sound


def test_one_that_is_not_repaired_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_transfer, "settle", lambda core: None)
    world = World(plan_of(MemoryRot(250_000, 2, "value", 0.5)))
    (verdict,) = world.run().verdicts
    assert verdict.rule == "liveness"
    assert "the memory of replica 2 rotted and is not repaired" in verdict.text


def test_one_that_is_not_told_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = Core.refuse
    monkeypatch.setattr(Core, "refuse", lambda core, kind, *rest: kind == "STATE" or refuse(core, kind, *rest))
    assert rules(World(plan_of(MemoryRot(250_000, 2, "value", 0.5)))) == ["told damage"]


def test_a_repair_that_nobody_says_the_reason_of_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Core.note
    hidden = ("state-damaged", "state-diverged")
    monkeypatch.setattr(
        Core, "note", lambda core, event, **details: None if event in hidden else note(core, event, **details)
    )
    world = played(checkpoint_interval=1)
    assert world.replicas[2].service.rot("value", 0.5)
    world.advance(3_000_000)
    assert [verdict.rule for verdict in world.judge.verdicts] == ["told damage"]


def test_what_lies_hidden_at_the_end_is_a_verdict() -> None:
    world = played(checkpoint_interval=1)
    service = world.replicas[1].service.service
    assert isinstance(service, RegisterService)
    assert damage(service, "value", 0.0)
    check_states(world.replicas, world.judge)
    assert [verdict.rule for verdict in world.judge.verdicts] == ["whole states"]


def test_states_that_differ_at_the_end_are_a_verdict() -> None:
    world = played()
    service = world.replicas[1].service.service
    assert isinstance(service, RegisterService)
    service._table.put(b"k0", b"another")
    check_states(world.replicas, world.judge)
    assert [verdict.rule for verdict in world.judge.verdicts] == ["equal states"]


def test_only_its_own_profile_draws_it_and_no_more_than_f_are_faulty() -> None:
    """The seeds of the others keep their worlds."""
    for profile in PROFILES:
        for plan in (draw_plan(seed, profile, replicas) for seed in range(40) for replicas in (4, 7, 10)):
            rotting = {fault.replica for fault in plan.faults if isinstance(fault, MemoryRot)}
            assert bool(rotting) == (profile == "rot")
            if profile == "rot":
                silent = {fault.replica for fault in plan.faults if isinstance(fault, BitRot)}
                silent |= {fault.replica for fault in plan.faults if isinstance(fault, Crash) and fault.loses_votes}
                liars = {traitor.replica for traitor in plan.traitors}
                assert not rotting & liars
                assert len(rotting | silent | liars) <= quorums_of(plan.replicas).faults


FROM_CAMPAIGNS = [(24000682, 4), (31000061, 4), (31000208, 4), (31002722, 4), (31003091, 7)]


@pytest.mark.parametrize(("seed", "replicas"), [(0, 4), (1, 4), (8, 4), (16, 4), (37, 4), (28, 7), *FROM_CAMPAIGNS])
def test_seeds_that_broke_a_rule(seed: int, replicas: int) -> None:
    report = run_seed(seed, Campaign("rot", replicas))
    assert report.verdict is None, report.verdict
    assert report.outcome.happened["memory rot"] > 0


def test_the_behaviour_of_a_replica_that_rots_is_the_real_one() -> None:
    """Nothing but its memory changes: the process goes on."""
    world = World(plan_of(MemoryRot(250_000, 2, "key", 0.5)))
    assert rules(world) == []
    assert isinstance(world.replicas[2].behaviour, Replica)
    assert world.replicas[2].incarnation == 1

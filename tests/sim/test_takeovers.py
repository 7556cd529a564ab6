"""An adversary that moves from replica to replica: at most f lie at a time, in the end all of them did, and no rule is
broken (docs/RECOVERY.md). That is what recovery is for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.core.replica import Replica
from quorate.sim.plan import Cut, Plan, Takeover
from quorate.sim.profiles import PROFILES, draw_plan
from quorate.sim.shrink import smaller_plans
from quorate.sim.world import Outcome, World
from sim.test_liveness import PLAN

SETTINGS = replace(PLAN.settings, checkpoint_interval=2, recovery_pause_ms=50)
CLIENTS = tuple(replace(client, requests=60, think=40_000) for client in PLAN.clients)
LONG = 300_000


def through_all(*strategies: str, is_clean: bool = False) -> Plan:
    """Each of four replicas lies in this way for a while, the first primary first."""
    takeovers = tuple(Takeover(replica, strategies, LONG, is_clean) for replica in range(4))
    return replace(PLAN, takeovers=takeovers, clients=CLIENTS, settings=SETTINGS, safety=6_000_000)


def play(plan: Plan) -> tuple[World, Outcome]:
    world = World(plan)
    outcome = world.run()
    assert outcome.verdicts == ()
    return world, outcome


def epochs(world: World) -> list[set[int]]:
    """What the replicas hold for the epoch of each."""
    cores = [node.behaviour.core for node in world.replicas if isinstance(node.behaviour, Replica)]
    return [{core.tables.recoveries.epoch_of(replica) for core in cores} for replica in range(4)]


@pytest.mark.parametrize("is_clean", [False, True])
@pytest.mark.parametrize("strategies", [("equivocate", "replay-signed"), ("past-view-changes", "mute"), ("amnesia",)])
def test_all_replicas_were_traitors_one_after_the_other(strategies: tuple[str, ...], is_clean: bool) -> None:
    world, outcome = play(through_all(*strategies, is_clean=is_clean))
    assert outcome.happened["takeover"] == outcome.happened["recovery"] == 4
    assert all(len(held) == 1 and held != {0} for held in epochs(world))
    assert all(node.is_correct and not node.has_lost_votes for node in world.replicas)


def test_stolen_session_keys_are_of_no_use_afterwards() -> None:
    """What the thief says in the names of those that have recovered is authentic to nobody."""
    _, honest = play(through_all())
    world, robbed = play(through_all("steal-sessions"))
    assert robbed.unauthentic > honest.unauthentic + 100
    assert robbed.happened["takeover"] == 4
    assert not any(node.has_failed for node in world.replicas)


def test_who_says_that_it_recovers_again_and_again_keeps_nobody_busy() -> None:
    """Its requests are executed a pause apart; those in the others' names never."""
    plan = through_all("recover-often")
    world, _ = play(replace(plan, takeovers=plan.takeovers[:1]))
    (own,), *others = epochs(world)
    assert own > 0
    assert others == [{0}] * 3


def test_one_that_lies_to_the_end_is_one_of_the_f() -> None:
    """After healing nobody is broken into any more, and who is lies until his time is over."""
    plan = replace(through_all("mute"), safety=450_000)
    world, outcome = play(plan)
    assert outcome.happened["takeover"] == 1
    assert world.replicas[1].is_correct


def test_the_next_one_waits_until_the_last_one_has_recovered() -> None:
    """As long as no quorum hears it, nobody else is broken into."""
    alone = tuple((one, other) for one in range(7) for other in range(7) if (one == 0) != (other == 0))
    _, outcome = play(replace(through_all("mute"), faults=(Cut(500_000, 5_900_000, "one alone", alone),)))
    assert outcome.happened["takeover"] == 1


def test_plans_with_takeovers_repeat_and_are_made_smaller() -> None:
    plan = draw_plan(3, "takeovers")
    assert World(plan).run().fingerprint == World(plan).run().fingerprint
    assert min(len(smaller.takeovers) for smaller in smaller_plans(plan)) == len(plan.takeovers) - 1


def test_only_their_own_profile_draws_takeovers() -> None:
    """The seeds of the others keep their worlds."""
    drawn = {profile: [draw_plan(seed, profile, 7) for seed in range(20)] for profile in PROFILES}
    assert {profile for profile, plans in drawn.items() if any(plan.takeovers for plan in plans)} == {"takeovers"}
    assert all(
        not {replica.replica for replica in plan.traitors} & {takeover.replica for takeover in plan.takeovers}
        for plan in drawn["takeovers"]
    )

"""What does not come to an end is named, with what is pending; and what cannot be survived is not."""

from __future__ import annotations

from msgspec.structs import replace

from quorate.config import Settings
from quorate.sim.plan import ClientPlan, Cut, NetworkPlan, Plan, TraitorPlan
from quorate.sim.shrink import shrink
from quorate.sim.world import World

PLAN = Plan(
    seed=1,
    profile="by hand",
    replicas=4,
    settings=Settings(
        checkpoint_interval=4,
        request_authentication="mac",
        view_change_timeout_ms=50,
        view_change_timeout_max_ms=400,
        status_interval_ms=20,
    ),
    network=NetworkPlan(),
    clients=(ClientPlan(requests=5), ClientPlan(requests=5)),
    safety=500_000,
    liveness=3_000_000,
)


def mute(*replicas: int) -> Plan:
    return replace(PLAN, traitors=tuple(TraitorPlan(replica, ("mute",)) for replica in replicas))


def test_f_silent_replicas_are_survived() -> None:
    assert World(mute(0)).run().verdicts == ()


def test_more_than_f_silent_replicas_are_a_liveness_verdict() -> None:
    (verdict,) = World(mute(0, 1)).run().verdicts
    assert verdict.rule == "liveness"
    assert "client a waits since" in verdict.text
    assert "replica 2: view-change" in verdict.text


def test_more_than_f_colluders_break_safety() -> None:
    """The sanity of the harness (N8): with two traitors out of four, agreement can be broken, and that is seen."""
    colluding = tuple(TraitorPlan(replica, ("equivocate", "double-vote")) for replica in (0, 1))
    rules = {
        verdict.rule
        for seed in range(20)
        for verdict in World(replace(PLAN, seed=seed, traitors=colluding)).run().verdicts
    }
    assert rules & {"agreement", "prepared uniqueness"}


def test_shrinking_keeps_what_matters() -> None:
    noisy = replace(
        mute(0, 1),
        network=NetworkPlan(loss=0.01),
        faults=(Cut(1000, 2000, "two-way", ((0, 1), (1, 0))),),
        clients=(ClientPlan(requests=3, operations_max=4), ClientPlan(), ClientPlan()),
    )
    smallest = shrink(noisy, "liveness", runs=60)
    assert World(smallest).run().verdicts[0].rule == "liveness"
    assert smallest.traitors == mute(0, 1).traitors
    assert smallest.faults == ()
    assert smallest.network == NetworkPlan()
    assert [client.requests for client in smallest.clients] == [1]


def test_a_liar_whose_request_never_ends_keeps_nobody_behind() -> None:
    """Its own flood of newer openings overtakes each session that it opens, so it would go on for ever, and a replica
    that follows the others would always be a little behind."""
    flooded = replace(PLAN, clients=(*PLAN.clients, ClientPlan(requests=1, strategies=("replay-requests", "flood"))))
    for seed in range(5):
        world = World(replace(flooded, seed=seed))
        assert world.run().verdicts == ()
        assert all(client.attempt is None for client in world.clients)

"""What the protocol does not promise, shown: a limit that nobody sees is a surprise later."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.config import Settings
from quorate.sim.plan import ClientPlan, NetworkPlan, Plan
from quorate.sim.world import World

BIG_MAC = Plan(
    seed=1,
    profile="by hand",
    replicas=4,
    settings=Settings(view_change_timeout_ms=50, view_change_timeout_max_ms=400, status_interval_ms=20),
    network=NetworkPlan(),
    clients=(
        ClientPlan(requests=5),
        ClientPlan(requests=5),
        *(ClientPlan(requests=10, strategies=("wrong-session", "big-mac")) for _ in range(4)),
    ),
    safety=1_000_000,
    liveness=10_000_000,
)


@pytest.mark.parametrize("seed", range(5))
def test_signed_requests_end_the_big_mac_attack(seed: int) -> None:
    """C1, C2: clients whose authenticators hold at some replicas only."""
    assert World(replace(BIG_MAC, seed=seed)).run().verdicts == ()


@pytest.mark.parametrize("before", ["wrong-session", "senseless-operations", "flood"])
def test_with_macs_each_liar_ends_at_most_one_view_of_each_replica(before: str) -> None:
    """Whoever is primary may have a request that it alone can authenticate, which ends its view. From then on it asks
    that client for signatures (REQ-3): the attack may go on, and costs no more views."""
    liars = tuple(ClientPlan(requests=10, strategies=(before, "big-mac")) for _ in range(4))
    plan = replace(
        BIG_MAC,
        clients=(*BIG_MAC.clients[:2], *liars),
        settings=replace(BIG_MAC.settings, request_authentication="mac"),
    )
    outcomes = [World(replace(plan, seed=seed)).run() for seed in range(10)]
    assert [outcome.verdicts for outcome in outcomes] == [()] * 10
    assert 1 <= max(outcome.views for outcome in outcomes) <= len(liars) * plan.replicas

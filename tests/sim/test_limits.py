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


def test_with_macs_it_costs_views_while_it_lasts_and_ends_with_it() -> None:
    """Whoever is primary has a request that only it can authenticate, and each new one ends a view: what others
    ask may wait for long. The primary forgets such a request when its view fails, so it ends."""
    settings = replace(BIG_MAC.settings, request_authentication="mac")
    outcomes = [World(replace(BIG_MAC, seed=seed, settings=settings)).run() for seed in range(10)]
    assert [outcome.verdicts for outcome in outcomes] == [()] * 10
    assert max(outcome.views for outcome in outcomes) >= 10

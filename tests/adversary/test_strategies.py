"""Each way to lie, by itself: it does something, and f replicas that do it break nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.adversary.registry import (
    CLIENT_STRATEGIES,
    PROCESSES,
    RECOVERY_STRATEGIES,
    REPLICA_STRATEGIES,
    STRATEGIES,
    make_traitor,
)
from quorate.errors import ConfigurationError
from quorate.sim.plan import ClientPlan, Plan, TraitorPlan
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World


def lying_in(strategy: str, seed: int) -> Plan:
    """A world of many view changes in which replica 0 or 1 lies in one way."""
    plan = draw_plan(seed, "churn")
    return replace(plan, traitors=(TraitorPlan(plan.traitors[0].replica, (strategy,)),))


def taken_over(plan: Plan, strategies: tuple[str, ...]) -> Plan:
    """The same takeovers, with these lies; beside them the first primary lies so too: it does while others recover."""
    takeovers = (replace(takeover, strategies=strategies) for takeover in plan.takeovers if takeover.replica)
    return replace(plan, takeovers=tuple(takeovers), traitors=(TraitorPlan(0, strategies),))


@pytest.mark.parametrize("strategy", RECOVERY_STRATEGIES)
def test_who_lies_so_while_replicas_recover_breaks_nothing_and_is_no_honest_replica(strategy: str) -> None:
    for seed in range(12):
        plan = draw_plan(seed, "takeovers", 7)
        lying = World(taken_over(plan, (strategy,))).run()
        assert lying.verdicts == ()
        if lying.fingerprint != World(taken_over(plan, ())).run().fingerprint:
            return
    pytest.fail(f"{strategy} did nothing in twelve worlds")


@pytest.mark.parametrize("strategy", sorted({*REPLICA_STRATEGIES} - {*RECOVERY_STRATEGIES}))
def test_one_traitor_breaks_nothing_and_is_no_honest_replica(strategy: str) -> None:
    for seed in range(12):
        lying = World(lying_in(strategy, seed)).run()
        assert lying.verdicts == ()
        if lying.fingerprint != World(replace(lying_in(strategy, seed), traitors=())).run().fingerprint:
            return
    pytest.fail(f"{strategy} did nothing in twelve worlds")


@pytest.mark.parametrize("strategy", CLIENT_STRATEGIES)
@pytest.mark.parametrize("authentication", ["mac", "signature"])
def test_a_lying_client_breaks_nothing(strategy: str, authentication: str) -> None:
    plan = draw_plan(3, "crashes")
    lying = replace(
        plan,
        settings=replace(plan.settings, request_authentication=authentication),
        clients=(*plan.clients, ClientPlan(requests=10, strategies=(strategy,))),
        network=replace(plan.network, distances=()),
    )
    assert World(lying).run().verdicts == ()


def test_every_strategy_names_its_row_of_the_catalogue() -> None:
    rows = [strategy.row for strategy in (*STRATEGIES.values(), *CLIENT_STRATEGIES.values())]
    assert all(row[0] in "PBC" and row[1:].isdecimal() for row in rows)
    assert set(REPLICA_STRATEGIES) == {*STRATEGIES, *PROCESSES}


def test_an_unknown_strategy_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ConfigurationError, match="there is no strategy 'lie'; there are bad-batches"):
        make_traitor(["lie"], None, lambda: None)  # type: ignore[arg-type, return-value]

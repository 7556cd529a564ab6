"""Make a failing plan smaller, as long as it breaks the same rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from msgspec.structs import replace

from quorate.sim.plan import ClientPlan, NetworkPlan, Plan, TraitorPlan
from quorate.sim.world import World

Part = TypeVar("Part")

RUNS_MAX: Final = 300
"""How many smaller plans are tried at most."""


def shrink(plan: Plan, rule: str, runs: int = RUNS_MAX) -> Plan:
    """The smallest plan found that breaks *rule* as *plan* does: fewer faults, lies, clients and requests."""
    progress = True
    while progress:
        progress = False
        for smaller in smaller_plans(plan):
            if runs == 0:
                return plan
            runs -= 1
            if breaks(smaller, rule):
                plan, progress = smaller, True
                break
    return plan


def breaks(plan: Plan, rule: str) -> bool:
    """Whether a run of the plan breaks that rule."""
    return any(verdict.rule == rule for verdict in World(plan).run().verdicts)


def smaller_plans(plan: Plan) -> Iterator[Plan]:
    """Plans with one thing less, the boldest first."""
    if plan.network != NetworkPlan():
        yield replace(plan, network=NetworkPlan())
    if plan.clocks:
        yield replace(plan, clocks=())
    if any(plan.turns):
        yield replace(plan, turns=())
    for at in range(len(plan.faults)):
        yield replace(plan, faults=_without(plan.faults, at))
    for at in range(len(plan.takeovers)):
        yield replace(plan, takeovers=_without(plan.takeovers, at))
    for at, traitor in enumerate(plan.traitors):
        yield replace(plan, traitors=_without(plan.traitors, at))
        if len(traitor.strategies) > 1:
            for name in range(len(traitor.strategies)):
                fewer = TraitorPlan(traitor.replica, _without(traitor.strategies, name))
                yield replace(plan, traitors=(*plan.traitors[:at], fewer, *plan.traitors[at + 1 :]))
    for at in reversed(range(len(plan.clients))):
        yield from _smaller_client(plan, at)


def _smaller_client(plan: Plan, at: int) -> Iterator[Plan]:
    client = plan.clients[at]
    is_last = at == len(plan.clients) - 1  # addresses must not move
    if is_last and at > 0 and not any(getattr(fault, "client", None) == at for fault in plan.faults):
        places = plan.network.distances[:-1]
        yield replace(plan, clients=plan.clients[:-1], network=replace(plan.network, distances=places))
    for fewer in _fewer(client):
        yield replace(plan, clients=(*plan.clients[:at], fewer, *plan.clients[at + 1 :]))


def _fewer(client: ClientPlan) -> Iterator[ClientPlan]:
    if client.requests > 1:
        yield replace(client, requests=1)
        yield replace(client, requests=client.requests // 2)
        yield replace(client, requests=client.requests - 1)
    if client.operations_max > 1:
        yield replace(client, operations_max=1)


def _without(parts: tuple[Part, ...], at: int) -> tuple[Part, ...]:
    return (*parts[:at], *parts[at + 1 :])

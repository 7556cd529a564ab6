"""Reads in simulated worlds: what a seed draws of the read-only path, from a stream of its own.

It came later than the profiles: apart from this, seeds keep their plans.
"""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec.structs import replace

from quorate.adversary.registry import READ_STRATEGIES, READ_STRATEGIES_OF_CLIENTS
from quorate.sim.plan import Plan

SHARE: Final = 0.5
"""So many seeds have the read-only path on, and so many of those who lie there lie about reads too."""


def with_reads(plan: Plan, random: Random, is_on: bool | None, may_lie: bool) -> Plan:
    """The plan with the read-only path, by chance unless *is_on* says so: clients use it; lying ones and, where they
    may, traitors lie about reads. The judge of a user's service knows ordered requests only, so there all are ordered,
    and believed with a quorum."""
    drawn = random.random() < SHARE
    if not (drawn if is_on is None else is_on):
        return plan
    clients = tuple(
        replace(client, strategies=(*client.strategies, *_some(READ_STRATEGIES_OF_CLIENTS, random)))
        if client.strategies
        else replace(client, queries=not plan.service)
        for client in plan.clients
    )
    traitors, takeovers = plan.traitors, plan.takeovers
    if may_lie:
        traitors = tuple(
            replace(traitor, strategies=(*traitor.strategies, *_some(READ_STRATEGIES, random))) for traitor in traitors
        )
        takeovers = tuple(
            replace(takeover, strategies=(*takeover.strategies, *_some(READ_STRATEGIES, random)))
            for takeover in takeovers
        )
    settings = replace(plan.settings, read_only_path=True)
    return replace(plan, clients=clients, traitors=traitors, takeovers=takeovers, settings=settings)


def _some(strategies: tuple[str, ...], random: Random) -> tuple[str, ...]:
    return strategies if random.random() < SHARE else ()

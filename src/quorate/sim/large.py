"""Worlds in which some values are large. This is drawn apart, as it came later: the other seeds keep their worlds."""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec.structs import replace

from quorate.sim.plan import Plan

SHARE: Final = 0.3
"""Of all worlds."""


def enlarged(plan: Plan, service: str, random: Random) -> Plan:
    """The plan for a service. Where that is registers, now and then with clients that read and write large values, and
    with one way or another of sending these."""
    if random.random() >= SHARE or service:
        return replace(plan, service=service)
    share = random.choice((0.05, 0.2, 0.6))
    settings = replace(plan.settings, digest_replies=random.random() < 0.8, separate_requests=random.random() < 0.8)
    clients = tuple(replace(client, large_share=share) for client in plan.clients)
    return replace(plan, settings=settings, clients=clients)

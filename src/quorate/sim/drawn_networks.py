"""The networks of simulated worlds, as a seed draws them."""

from __future__ import annotations

from random import Random
from typing import Final

from quorate.sim.plan import NetworkPlan, SatellitePlan

MILLISECOND: Final = 1_000


def draw_network(random: Random, kind: str, replicas: int, nodes: int) -> NetworkPlan:
    """A network of that kind, for so many replicas and, with the clients, so many nodes."""
    match kind:
        case "country":
            places = _places(random, nodes, 20 * MILLISECOND)
            return NetworkPlan(2 * MILLISECOND, MILLISECOND, distances=places, kind=kind)
        case "globe":
            places = _places(random, nodes, 150 * MILLISECOND)
            return NetworkPlan(5 * MILLISECOND, 5 * MILLISECOND, distances=places, kind=kind)
        case "busy":
            places = _places(random, nodes, 80 * MILLISECOND)
            tail = random.choice((0.5, 1.0, 1.5))
            in_order = random.random() < 0.5
            return NetworkPlan(2 * MILLISECOND, 4 * MILLISECOND, tail, places, in_order=in_order, kind=kind)
        case "satellite":
            return NetworkPlan(MILLISECOND, 2 * MILLISECOND, satellite=_satellite(random, replicas, nodes), kind=kind)
        case "rough" | "stormy":
            worst = 0.05 if kind == "rough" else 0.3
            return NetworkPlan(
                spread=random.choice((400, 5 * MILLISECOND)),
                straggler_share=random.uniform(0, worst),
                straggler_delay=random.choice((10, 100, 1000)) * MILLISECOND,
                loss=random.uniform(0, worst),
                duplication=random.uniform(0, worst),
                duplicate_delay=random.choice((1, 100, 2000)) * MILLISECOND,
                in_order=random.random() < 0.3,
                kind=kind,
            )
    return NetworkPlan(in_order=random.random() < 0.3)


def _satellite(random: Random, replicas: int, nodes: int) -> SatellitePlan:
    """One replica, sometimes the first primary, or one of them and clients beside it."""
    site = [random.choice((0, random.randrange(replicas)))]
    site += [node for node in range(replicas, nodes) if random.random() < 0.3]
    return SatellitePlan(tuple(site), loss=random.choice((0.0, 0.005, 0.03)))


def _places(random: Random, nodes: int, diameter: int) -> tuple[int, ...]:
    regions = [random.randrange(diameter) for _ in range(3)]
    return tuple(random.choice(regions) for _ in range(nodes))

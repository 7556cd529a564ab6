"""The simulated network: how long each message takes, which are lost, which come twice."""

from __future__ import annotations

from functools import cache
from math import exp
from random import Random
from statistics import NormalDist
from typing import Final

from quorate.sim.plan import NetworkPlan

QUANTILES: Final = 4096
"""A log-normal delay is drawn from a table of so many equally likely ones: as fast as a uniform one, and bounded."""


class Network:
    """Decides for each message when its copies arrive. Partitions are links that are cut, once or several times."""

    def __init__(self, plan: NetworkPlan, nodes: int, random: Random) -> None:
        self._random = random.random
        self._plan = plan
        places = plan.distances or (0,) * nodes
        self._delays = [[plan.delay + abs(here - there) for there in places[:nodes]] for here in places[:nodes]]
        self._spread = plan.spread
        self._tail = heavy_tail(plan.spread, plan.tail) if plan.tail else None
        self._satellite = plan.satellite
        self._cuts: dict[tuple[int, int], int] = {}
        self._last_arrival: dict[tuple[int, int], int] = {}
        self._is_rough = bool(plan.loss or plan.duplication or plan.straggler_share)
        self._is_lossy = True
        """Whether the satellite loses messages."""
        self.lost = 0
        self.duplicated = 0

    def cut(self, links: tuple[tuple[int, int], ...]) -> None:
        """From now on these links lose everything."""
        for link in links:
            self._cuts[link] = self._cuts.get(link, 0) + 1

    def mend(self, links: tuple[tuple[int, int], ...]) -> None:
        """Undo one `cut`."""
        for link in links:
            count = self._cuts.get(link, 0) - 1
            if count > 0:
                self._cuts[link] = count
            else:
                self._cuts.pop(link, None)

    def heal(self) -> None:
        """From now on nothing is lost, comes twice or straggles; what is far away stays there."""
        self._cuts.clear()
        self._is_rough = self._is_lossy = False

    def arrivals(self, sender: int, receiver: int, now: int) -> list[int]:
        """When the copies of a message that is sent now arrive: none when it is lost."""
        if self._cuts and (sender, receiver) in self._cuts:
            self.lost += 1
            return []
        tail = self._tail
        extra = int(self._random() * self._spread) if tail is None else tail[int(self._random() * QUANTILES)]
        arrival = now + self._delays[sender][receiver] + extra
        satellite = self._satellite
        if satellite is not None and (sender in satellite.nodes) != (receiver in satellite.nodes):
            if self._is_lossy and self._random() < satellite.loss:
                self.lost += 1
                return []
            arrival += satellite.delay + int(self._random() * satellite.jitter)
        if not self._is_rough:
            return [self._in_order(sender, receiver, arrival)]
        return self._rough_arrivals(sender, receiver, arrival)

    def _rough_arrivals(self, sender: int, receiver: int, arrival: int) -> list[int]:
        plan, random = self._plan, self._random
        fate = random()
        if fate < plan.loss:
            self.lost += 1
            return []
        if plan.straggler_share and random() < plan.straggler_share:
            arrival += int(random() * plan.straggler_delay)
        arrival = self._in_order(sender, receiver, arrival)
        if fate < plan.loss + plan.duplication:
            self.duplicated += 1
            return [arrival, arrival + int(random() * plan.duplicate_delay)]
        return [arrival]

    def _in_order(self, sender: int, receiver: int, arrival: int) -> int:
        if self._plan.in_order:
            link = (sender, receiver)
            arrival = max(arrival, self._last_arrival.get(link, 0) + 1)
            self._last_arrival[link] = arrival
        return arrival


@cache
def heavy_tail(median: int, sigma: float) -> tuple[int, ...]:
    """Equally likely delays of a log-normal distribution, the shortest first."""
    normal = NormalDist()
    return tuple(round(median * exp(sigma * normal.inv_cdf((at + 0.5) / QUANTILES))) for at in range(QUANTILES))


def two_way_cut(one: list[int], other: list[int]) -> tuple[tuple[int, int], ...]:
    """The links between two groups, both ways."""
    return tuple((a, b) for here, there in ((one, other), (other, one)) for a in here for b in there)


def one_way_cut(senders: list[int], receivers: list[int]) -> tuple[tuple[int, int], ...]:
    """The links from one group to another: the other direction goes on."""
    return tuple((sender, receiver) for sender in senders for receiver in receivers if sender != receiver)


def star_cut(centre: int, replicas: int) -> tuple[tuple[int, int], ...]:
    """All links between replicas but those of the centre: only it sees everyone (N3)."""
    points = [replica for replica in range(replicas) if replica != centre]
    return tuple((a, b) for a in points for b in points if a != b)

"""Regular sets of neighbours: what a graph needs for oral messages (L82 section 5, Definition 1).

A set N of neighbours of i is regular if from its members to every other general k there are paths
that do not pass through i and that share nothing but k. A graph is p-regular if every general has a
regular set of p neighbours. (This asks more than p neighbours each, the usual sense of the word.)
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from quorate.generals.errors import GeneralsError
from quorate.generals.graph import Graph

Route = tuple[int, ...]
"""A path through the graph, both ends included."""

CANDIDATES_MAX = 1_000
"""How many sets of neighbours are tried for one general. Finding the right one has no quick way."""

_Side = tuple[int, int]
"""A general's way in (0) or way out (1): the arc between them lets one path pass."""

_SOURCE: _Side = (-1, 1)


@dataclass(frozen=True)
class RegularSet:
    """A regular set of neighbours with the paths that prove it."""

    members: tuple[int, ...]
    routes: Mapping[int, Mapping[int, Route]]
    """routes[k][i]: the path from member i to general k. A member's path to himself is (i,)."""


def find_regular_set(graph: Graph, general: int, p: int) -> RegularSet | None:
    """The first regular set of p neighbours in lexicographic order, or None."""
    rest = graph.without(general)
    neighbours = graph.neighbours(general)
    for tried, members in enumerate(combinations(neighbours, p)):
        if tried == CANDIDATES_MAX:
            raise GeneralsError(
                f"General {general} has too many neighbours, {len(neighbours)}, to find {p} that form a "
                f"regular set: {CANDIDATES_MAX:,} sets were tried; take a smaller graph."
            )
        routes = _routes_to_all(rest, members)
        if routes is not None:
            return RegularSet(members, routes)
    return None


def _routes_to_all(rest: Graph, members: tuple[int, ...]) -> dict[int, dict[int, Route]] | None:
    routes: dict[int, dict[int, Route]] = {}
    for k in rest.adjacency:
        routes[k] = disjoint_routes(rest, members, k)
        if len(routes[k]) < len(members):
            return None
    return routes


def require_regular(graph: Graph, p: int) -> None:
    """Refuse a graph that is not p-regular, naming a general who lacks a regular set."""
    for general in graph.adjacency:
        if find_regular_set(graph, general, p) is None:
            raise GeneralsError(
                f"The graph is not {p}-regular: general {general} has no regular set of {p} neighbours; "
                f"add arcs or choose a smaller m or p."
            )


def disjoint_routes(graph: Graph, starts: tuple[int, ...], k: int) -> dict[int, Route]:
    """As many paths as possible from the starts to k, no two with a general in common other than k.

    Maximum flow by shortest augmenting paths (Edmonds and Karp) over generals who let one path pass.
    """
    residual: dict[_Side, set[_Side]] = {_SOURCE: {(start, 0) for start in starts if start != k}}
    for general in graph.adjacency:
        residual[general, 0] = {(general, 1)}
        residual[general, 1] = {(each, 0) for each in graph.neighbours(general)}
    unused = {side: frozenset(targets) for side, targets in residual.items()}
    while True:
        path = list(_shortest_path(residual, (k, 0)))
        if not path:
            break
        for here, there in path:
            residual[here].discard(there)
            residual[there].add(here)
    flow = {side: unused[side] - residual[side] for side in unused}
    routes = {start: tuple(_follow(flow, start, k)) for start, _ in sorted(flow[_SOURCE])}
    if k in starts:
        routes[k] = (k,)
    return routes


def _shortest_path(residual: Mapping[_Side, set[_Side]], sink: _Side) -> Iterator[tuple[_Side, _Side]]:
    """The arcs of a shortest path that can still take flow, last arc first; none if there is none."""
    reached_from: dict[_Side, _Side] = {}
    queue = deque([_SOURCE])
    while queue and sink not in reached_from:
        here = queue.popleft()
        for there in sorted(residual[here]):
            if there not in reached_from and there != _SOURCE:
                reached_from[there] = here
                queue.append(there)
    there = sink
    while there in reached_from:
        yield reached_from[there], there
        there = reached_from[there]


def _follow(flow: Mapping[_Side, frozenset[_Side]], start: int, k: int) -> Iterator[int]:
    general = start
    while general != k:
        yield general
        ((general, _),) = flow[general, 1]
    yield k

"""Who can send messages to whom, when not everybody can (L82 section 5)."""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from quorate.generals.errors import GeneralsError

GRAPH_GENERALS_MAX = 500
GRAPH_FORMS = "complete, ring, line, circulant:1,2 (steps in a circle) or edges:0-1,1-2 (and so on)"


@dataclass(frozen=True)
class Graph:
    """A simple undirected graph: each general's neighbours, in ascending order."""

    adjacency: Mapping[int, tuple[int, ...]]

    def neighbours(self, general: int) -> tuple[int, ...]:
        return self.adjacency[general]

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        return tuple(sorted((a, b) for a, nearby in self.adjacency.items() for b in nearby if a < b))

    def only(self, generals: frozenset[int]) -> "Graph":
        """The subgraph that these generals form."""
        return Graph(
            {
                general: tuple(each for each in nearby if each in generals)
                for general, nearby in self.adjacency.items()
                if general in generals
            }
        )

    def require_generals(self, n: int) -> None:
        if set(self.adjacency) != set(range(n)):
            raise GeneralsError(
                f"The graph has {len(self.adjacency)} generals and not 0 to {n - 1}: give one for n = {n}."
            )

    def without(self, general: int) -> "Graph":
        return self.only(frozenset(self.adjacency) - {general})

    def distances(self, start: int) -> dict[int, int]:
        """How many arcs away everybody is who can be reached at all."""
        distances = {start: 0}
        queue = deque([start])
        while queue:
            general = queue.popleft()
            for neighbour in self.neighbours(general):
                if neighbour not in distances:
                    distances[neighbour] = distances[general] + 1
                    queue.append(neighbour)
        return distances

    def diameter(self) -> int | None:
        """The smallest d such that d arcs join any two; None where some cannot reach each other."""
        longest = 0
        for general in self.adjacency:
            distances = self.distances(general)
            if len(distances) < len(self.adjacency):
                return None
            longest = max(longest, *distances.values())
        return longest


def graph_from_edges(n: int, edges: Iterable[tuple[int, int]]) -> Graph:
    nearby: dict[int, set[int]] = {general: set() for general in range(n)}
    for a, b in edges:
        if a == b:
            raise GeneralsError(f"The arc {a}-{b} joins a general to himself: leave it out.")
        for general in (a, b):
            if general not in nearby:
                raise GeneralsError(f"The arc {a}-{b} names general {general}: the {n} generals are 0 to {n - 1}.")
        nearby[a].add(b)
        nearby[b].add(a)
    return Graph({general: tuple(sorted(each)) for general, each in nearby.items()})


def complete_graph(n: int) -> Graph:
    return graph_from_edges(n, combinations(range(n), 2))


def line_graph(n: int) -> Graph:
    return graph_from_edges(n, pairwise(range(n)))


def circulant_graph(n: int, steps: Iterable[int]) -> Graph:
    """Generals in a circle, each joined to those so many places away."""
    steps = tuple(steps)
    for step in steps:
        if not 0 < step < n:
            raise GeneralsError(f"A circle of {n} generals has no step {step}: use 1 to {n - 1}.")
    return graph_from_edges(n, ((each, (each + step) % n) for each in range(n) for step in steps))


def graph_from_text(n: int, text: str) -> Graph:
    """Read a graph from one of `GRAPH_FORMS`."""
    if n > GRAPH_GENERALS_MAX:
        raise GeneralsError(f"A graph of {n} generals is too large: give at most {GRAPH_GENERALS_MAX}.")
    form, _, details = text.partition(":")
    if text == "complete":
        return complete_graph(n)
    if text == "line":
        return line_graph(n)
    if text == "ring":
        return circulant_graph(n, (1,)) if n > 1 else complete_graph(n)
    if form == "circulant" and re.fullmatch(r"\d+(,\d+)*", details):
        return circulant_graph(n, map(int, details.split(",")))
    if form == "edges" and re.fullmatch(r"\d+-\d+(,\d+-\d+)*", details):
        arcs = (arc.split("-") for arc in details.split(","))
        return graph_from_edges(n, ((int(a), int(b)) for a, b in arcs))
    raise GeneralsError(f"The graph {text!r} is not understood: use {GRAPH_FORMS}.")

"""All replicas together, breadth first, until no state is left.

A state of the world is a state of each correct replica. What is under way follows from it: a state says what its
replica sent on the way there, nothing that was sent is ever out of the way, and the traitors can send all they want at
any time. Where two correct replicas lead no view inside the bound, worlds that differ by their names only are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from time import monotonic
from typing import Final, NamedTuple

from quorate.sim.small_worlds.alphabet import Alphabet
from quorate.sim.small_worlds.behaviour import Behaviour, State, Transition
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.properties import Verdict, conflict
from quorate.sim.small_worlds.traitor import Repertoire

Place = tuple[int, ...]
"""A state of the world: the number of each correct replica's state."""


class Step(NamedTuple):
    """One bundle is delivered to one correct replica."""

    replica: int
    transition: Transition


class Progress(NamedTuple):
    """How far a search has come."""

    depth: int
    states: int
    frontier: int


class Limits(NamedTuple):
    """When to stop though states are left."""

    depth: float = inf
    """Bundles delivered one after the other."""
    states: float = inf


NO_LIMITS: Final = Limits()


class Report(NamedTuple):
    """What was explored."""

    bounds: Bounds
    is_complete: bool
    """No state is left within the bounds."""
    depth: int
    """The depth of the deepest layer that was reached in full."""
    states: int
    """Of the world."""
    transitions: int
    layers: tuple[int, ...]
    """New states at each depth."""
    replica_states: int
    """Of single replicas: what the states of the world are made of."""
    messages: int
    """Different messages, those of the traitors included."""
    core_steps: int
    """How often a replica of the real core was given something."""
    seconds: float
    verdict: Verdict | None
    place: Place | None
    """Where the rule is broken."""


class World:
    """The correct replicas of a bounded world, and all that is known of it so far."""

    def __init__(self, bounds: Bounds, use_symmetry: bool = True) -> None:
        bounds.check()
        self.bounds: Final = bounds
        self.alphabet: Final = Alphabet(bounds)
        self.repertoire: Final = Repertoire(bounds, self.alphabet)
        self.states: Final[list[State]] = []
        self.twins: Final = bounds.twins if use_symmetry else None
        self._verdicts: dict[tuple[int, int], Verdict | None] = {}
        self.behaviours: Final = self._behaviours()
        self.initial: Final[Place] = tuple(behaviour.initial.number for behaviour in self.behaviours)

    def _behaviours(self) -> list[Behaviour]:
        """One of each correct replica; the second twin behaves as the first, with the names exchanged."""
        behaviours: list[Behaviour] = []
        for replica in self.bounds.correct:
            if self.twins is not None and replica == self.twins[1]:
                behaviours.append(behaviours[-1])
            else:
                own = Behaviour(replica, self.bounds, self.alphabet, self.repertoire.bits, self.states)
                behaviours.append(own)
        return behaviours

    def steps(self, place: Place) -> Iterator[tuple[int, Transition]]:
        """All that may happen next: at which position, and what."""
        states = [self.states[number] for number in place]
        sent = 0
        for state in states:
            sent |= state.sent
        if self.twins is not None:
            exchange = self.alphabet.exchanged
            first, second, third = states
            sent = first.sent | second.sent | exchange(third.sent)
            exchanged = self.repertoire.under_way(exchange(first.sent) | exchange(second.sent) | third.sent)
        under_way = self.repertoire.under_way(sent)
        last = len(states) - 1
        for position, state in enumerate(states):
            there = exchanged if self.twins is not None and position == last else under_way
            for transition in self.behaviours[position].transitions(state, there):
                if transition.needs & there == transition.needs:
                    yield position, transition

    def after(self, place: Place, position: int, target: int) -> Place:
        """The state of the world that a transition leads to, the twins in order."""
        changed = (*place[:position], target, *place[position + 1 :])
        if self.twins is not None and changed[-2] > changed[-1]:
            changed = (*changed[:-2], changed[-1], changed[-2])
        return changed

    def verdict(self, place: Place) -> Verdict | None:
        """The rule that is broken in a state of the world, if any."""
        for at, one in enumerate(place):
            for other in place[at:]:
                pair = (one, other)
                if pair not in self._verdicts:
                    self._verdicts[pair] = conflict(self.states[one], self.states[other])
                found = self._verdicts[pair]
                if found is not None:
                    return found
        return None


class Search:
    """One exploration of a world, breadth first, layer by layer."""

    def __init__(self, world: World, came_from: dict[Place, tuple[Place, Step]] | None = None) -> None:
        self._world = world
        self._came_from = came_from
        self._began = monotonic()
        self._seen = {world.initial}
        self._frontier = [world.initial]
        self._layers = [1]
        self._transitions = 0
        self._verdict = world.verdict(world.initial)
        self._place: Place | None = None

    def run(self, limits: Limits, on_progress: Callable[[Progress], None]) -> Report:
        """Until no state is left, a rule is broken, or a limit is reached."""
        while self._frontier and self._verdict is None and len(self._layers) - 1 < limits.depth:
            following: list[Place] = []
            for place in self._frontier:
                self._expand(place, following)
                if self._verdict is not None or len(self._seen) > limits.states:
                    return self._report(is_complete=False)
            self._frontier = following
            if following:
                self._layers.append(len(following))
                on_progress(Progress(len(self._layers) - 1, len(self._seen), len(following)))
        return self._report(is_complete=not self._frontier and self._verdict is None)

    def _expand(self, place: Place, following: list[Place]) -> None:
        world, seen = self._world, self._seen
        for position, transition in world.steps(place):
            self._transitions += 1
            then = world.after(place, position, transition.target)
            if then in seen:
                continue
            seen.add(then)
            following.append(then)
            if self._came_from is not None:
                self._came_from[then] = (place, Step(world.bounds.correct[position], transition))
            self._verdict = world.verdict(then)
            if self._verdict is not None:
                self._place = then
                return

    def _report(self, is_complete: bool) -> Report:
        world = self._world
        return Report(
            bounds=world.bounds,
            is_complete=is_complete,
            depth=len(self._layers) - 1,
            states=len(self._seen),
            transitions=self._transitions,
            layers=tuple(self._layers),
            replica_states=len(world.states),
            messages=len(world.alphabet.letters),
            core_steps=sum(behaviour.steps for behaviour in dict.fromkeys(world.behaviours)),
            seconds=monotonic() - self._began,
            verdict=self._verdict,
            place=self._place,
        )


def search(
    world: World,
    limits: Limits = NO_LIMITS,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    came_from: dict[Place, tuple[Place, Step]] | None = None,
) -> Report:
    """Explore a world. With *came_from*, notes there how each state was met first: the shortest way."""
    return Search(world, came_from).run(limits, on_progress)

"""Why n = 3m is too few: three worlds that cannot be told apart (L82 section 2).

L82 lets three generals simulate a third of the generals each. Here is that construction turned into
traitors. Put the generals into three camps A, B and C, at most m in each, the commander in A, and
imagine every camp twice, in a ring of six:

    A0 - B0 - C0 - A1 - B1 - C1 - (A0)

Commander A0 orders attack, commander A1 orders retreat, everybody is loyal and talks to his own and
the neighbouring camps only. Along a path the copy changes with each step between a camp A and a camp
C; so walking a path back from its receiver tells which of the two commanders its message comes from.
Each of three real worlds is a stretch of that ring, two camps long; the traitors of the third camp
play the rest of it:

- C are traitors: the loyal are A0 and B0. IC2 demands attack of B0.
- B are traitors: the loyal are C0 and A1. IC2 demands retreat of C0.
- A are traitors: the loyal are B0 and C0. IC1 demands that they agree.

B0 sees the same in the first world and the last, C0 the same in the second and the last. Whatever
the algorithm, one of the three demands is not met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from quorate.generals.counting import RECORDED_MESSAGES_MAX, require_affordable_oral
from quorate.generals.errors import GeneralsError
from quorate.generals.oral import OralRun, oral_messages
from quorate.generals.orders import ATTACK, RETREAT, Choice, Order, Utterance, majority
from quorate.generals.problem import Problem
from quorate.generals.traitors import Occasion, OralStrategy, Path

COPY_IN_WORLD: Mapping[str, Mapping[str, int]] = {
    "C": {"A": 0, "B": 0},
    "B": {"C": 0, "A": 1},
    "A": {"B": 0, "C": 0},
}
"""For each traitorous camp: which copies of the ring the two loyal camps are."""


@dataclass(frozen=True)
class World:
    """One of the three: who betrays, and the run that follows."""

    traitorous_camp: str
    run: OralRun

    @property
    def is_broken(self) -> bool:
        return not self.run.holds


def camps(n: int) -> dict[int, str]:
    """Three camps of as equal size as can be, the commander 0 in A."""
    if n < 3:
        raise GeneralsError(f"n is {n}, but three camps take three generals: give n >= 3.")
    return {general: "ABC"[3 * general // n] for general in range(n)}


def three_worlds(n: int, m: int, choice: Choice = majority) -> tuple[World, World, World]:
    """OM(m) in the three worlds. With n <= 3m at least one of them is broken, by at most m traitors."""
    require_affordable_oral(n, m, RECORDED_MESSAGES_MAX)
    return _world(n, m, choice, "C"), _world(n, m, choice, "B"), _world(n, m, choice, "A")


def _world(n: int, m: int, choice: Choice, traitorous_camp: str) -> World:
    camp_of = camps(n)
    problem = Problem(
        n=n,
        m=m,
        order=RETREAT if traitorous_camp == "B" else ATTACK,
        traitors=frozenset(general for general, camp in camp_of.items() if camp == traitorous_camp),
        choice=choice,
    )
    return World(traitorous_camp, oral_messages(problem, ring_strategy(camp_of, traitorous_camp)))


def ring_strategy(camp_of: Mapping[int, str], traitorous_camp: str) -> OralStrategy:
    """The traitors of one camp play the part of the ring that the loyal camps are not."""
    copies = COPY_IN_WORLD[traitorous_camp]

    def play(problem: Problem, occasion: Occasion) -> Utterance:
        camp = camp_of[occasion.receiver]
        if camp == traitorous_camp:
            return occasion.honest
        return _order_in_ring(camp_of, occasion.path, occasion.receiver, copies[camp])

    return play


def _order_in_ring(camp_of: Mapping[int, str], path: Path, receiver: int, copy: int) -> Order:
    """Walk the path back from that copy of the receiver to the commander it leads to."""
    nearer = receiver
    for sender in reversed(path):
        if {camp_of[sender], camp_of[nearer]} == {"A", "C"}:
            copy = 1 - copy
        nearer = sender
    return ATTACK if copy == 0 else RETREAT


def same_views(worlds: Sequence[World]) -> dict[int, tuple[int, int]]:
    """For each lieutenant the two worlds, counted from 1, in which he is loyal and hears the same."""
    heard = [views(world.run) for world in worlds]
    return {
        general: (one + 1, other + 1)
        for (one, first), (other, second) in combinations(enumerate(worlds), 2)
        for general in first.run.problem.loyal_lieutenants
        if general not in second.run.problem.traitors and heard[one][general] == heard[other][general]
    }


def views(run: OralRun) -> dict[int, list[tuple[Path, Utterance]]]:
    """All that each lieutenant ever hears."""
    heard: dict[int, list[tuple[Path, Utterance]]] = {each: [] for each in run.problem.lieutenants}
    for message in run.owed():
        heard[message.receiver].append((message.path, message.said))
    return heard

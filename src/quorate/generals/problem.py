"""The question that is put to the generals, and the verdict on what they did (L82 section 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from quorate.generals.errors import GeneralsError
from quorate.generals.orders import ATTACK, RETREAT, Choice, Order, majority

ORDER_LENGTH_MAX = 40


@dataclass(frozen=True)
class Problem:
    """n generals, numbered from 0, one of them the commander; an algorithm that should survive m traitors.

    A traitorous commander has an `order` as well: the one that he would send if he were loyal.
    """

    n: int
    m: int
    order: Order = ATTACK
    commander: int = 0
    traitors: frozenset[int] = frozenset()
    choice: Choice = majority
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise GeneralsError(f"n is {self.n}, but there must be at least one general: give n >= 1.")
        if self.m < 0:
            raise GeneralsError(f"m is {self.m}, but traitors are counted from zero: give m >= 0.")
        if not self.order or len(self.order) > ORDER_LENGTH_MAX or not self.order.isprintable():
            raise GeneralsError(
                f"The order {self.order!r} cannot be sent: use 1 to {ORDER_LENGTH_MAX} printable characters."
            )
        if len(self.traitors) > self.n:
            raise GeneralsError(
                f"There are {len(self.traitors)} traitors but only {self.n} generals: name fewer or raise n."
            )
        self._require_general("The commander", self.commander)
        for traitor in sorted(self.traitors):
            self._require_general("Traitor", traitor)

    def _require_general(self, role: str, general: int) -> None:
        if not 0 <= general < self.n:
            raise GeneralsError(f"{role} {general} is unknown: the {self.n} generals are numbered 0 to {self.n - 1}.")

    @cached_property
    def lieutenants(self) -> tuple[int, ...]:
        return tuple(general for general in range(self.n) if general != self.commander)

    @cached_property
    def loyal_lieutenants(self) -> tuple[int, ...]:
        return tuple(general for general in self.lieutenants if general not in self.traitors)

    @property
    def is_commander_loyal(self) -> bool:
        return self.commander not in self.traitors

    @property
    def lie(self) -> Order:
        """The other order: what the traitors' strategies say when they do not say `order`."""
        return ATTACK if self.order == RETREAT else RETREAT


@dataclass(frozen=True)
class Run:
    """What happened, whatever the algorithm. Traitors decide nothing that anybody could rely on."""

    problem: Problem
    algorithm: str
    rounds: int
    sent_by_round: tuple[int, ...]
    decisions: Mapping[int, Order]
    outside_bound: str
    """Why the algorithm promises nothing here; empty when it promises IC1 and IC2."""

    @property
    def total_messages(self) -> int:
        return sum(self.sent_by_round)

    @property
    def last_round_messages(self) -> int:
        return self.sent_by_round[self.rounds - 1] if len(self.sent_by_round) >= self.rounds else 0

    @property
    def ic1(self) -> bool:
        """All loyal lieutenants obey the same order."""
        return len({self.decisions[general] for general in self.problem.loyal_lieutenants}) <= 1

    @property
    def ic2(self) -> bool:
        """Every loyal lieutenant obeys a loyal commander; demands nothing when the commander is a traitor."""
        problem = self.problem
        return not problem.is_commander_loyal or all(
            self.decisions[general] == problem.order for general in problem.loyal_lieutenants
        )

    @property
    def holds(self) -> bool:
        return self.ic1 and self.ic2


def decisions_of(problem: Problem, obtained: Mapping[int, Order]) -> dict[int, Order]:
    """The loyal generals' decisions: the lieutenants' as obtained, a loyal commander's own order."""
    decisions = {general: obtained[general] for general in problem.loyal_lieutenants}
    if problem.is_commander_loyal:
        decisions[problem.commander] = problem.order
    return dict(sorted(decisions.items()))


def too_many_traitors(problem: Problem) -> str:
    """The clause that every theorem of L82 shares: at most m traitors."""
    count = len(problem.traitors)
    return f"{count} traitors are more than m = {problem.m}" if count > problem.m else ""

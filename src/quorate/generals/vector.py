"""Interactive consistency: every general a commander once (L82 section 1).

The generals want one vector that holds each general's own order, the same at every loyal general.
n runs of a Byzantine generals algorithm give it; any fixed function of it then is a common plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quorate.generals.errors import GeneralsError
from quorate.generals.orders import Order
from quorate.generals.problem import Problem, Run


@dataclass(frozen=True)
class VectorRun:
    """n runs, one a commander, and what every loyal general makes of them."""

    problem: Problem
    orders: tuple[Order, ...]
    runs: tuple[Run, ...] = field(repr=False)
    vectors: Mapping[int, tuple[Order, ...]]
    """For each loyal general: what he holds for general 0, 1, ..."""

    @property
    def plans(self) -> dict[int, Order]:
        """The choice function applied to each loyal general's vector."""
        return {general: self.problem.choice(vector) for general, vector in self.vectors.items()}

    @property
    def is_consistent(self) -> bool:
        """All loyal generals hold the same vector (condition 1 of section 1)."""
        return len(set(self.vectors.values())) <= 1

    @property
    def is_valid(self) -> bool:
        """A loyal general's entry is his own order at every loyal general (condition 2)."""
        return all(
            vector[general] == self.orders[general] for vector in self.vectors.values() for general in self.vectors
        )

    @property
    def total_messages(self) -> int:
        return sum(run.total_messages for run in self.runs)

    @property
    def outside_bound(self) -> str:
        return next((run.outside_bound for run in self.runs if run.outside_bound), "")


def interactive_consistency(problem: Problem, orders: Sequence[Order], run: Callable[[Problem], Run]) -> VectorRun:
    """Run the algorithm once with each general as the commander, who sends `orders[general]`."""
    if len(orders) != problem.n:
        raise GeneralsError(f"{problem.n} generals need {problem.n} orders, not {len(orders)}: give one for each.")
    runs = tuple(run(replace(problem, commander=general, order=order)) for general, order in enumerate(orders))
    loyal = (general for general in range(problem.n) if general not in problem.traitors)
    vectors = {general: tuple(each.decisions[general] for each in runs) for general in loyal}
    return VectorRun(problem, tuple(orders), runs, vectors)

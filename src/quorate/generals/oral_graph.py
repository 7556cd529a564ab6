"""OM(m, p), oral messages when not everybody can reach everybody (L82 section 5).

The commander tells p lieutenants who form a regular set of neighbours. They tell all others, by
OM(m-1, p-1) among those who remain and, at m = 1, along paths that have nobody in common, where
every station hands on what it was handed. A path with a traitor on it is as bad as a traitor at its
start, and m traitors spoil at most m paths.
"""

from dataclasses import dataclass, field

from quorate.generals.counting import COUNTED_MAX, RECORDED_MESSAGES_MAX, require_affordable
from quorate.generals.errors import GeneralsError
from quorate.generals.graph import Graph
from quorate.generals.oral import OralMessage
from quorate.generals.orders import Order, Utterance, obeyed
from quorate.generals.problem import Problem, Run, decisions_of, too_many_traitors
from quorate.generals.regular_sets import RegularSet, Route, find_regular_set, require_regular
from quorate.generals.traitors import Occasion, OralStrategy, Path

GENERALS_MAX = 24
"""Checking regularity takes a maximum flow for every pair of generals."""


@dataclass(frozen=True)
class OralGraphRun(Run):
    """A run of OM(m, p): every message, each hop of a path being one."""

    p: int
    sent: tuple[OralMessage, ...] = field(repr=False)

    def messages(self) -> tuple[OralMessage, ...]:
        return self.sent


def oral_messages_on_graph(
    problem: Problem, graph: Graph, strategy: OralStrategy, p: int | None = None
) -> OralGraphRun:
    """Run OM(m, p) with the traitors following `strategy`; p is 3m unless given (Theorem 3)."""
    p = 3 * problem.m if p is None else p
    graph.require_generals(problem.n)
    _require_defined(problem, p)
    require_regular(graph, p)
    campaign = _Campaign(problem, strategy)
    obtained = campaign.command(graph, (problem.commander,), problem.order, problem.m, p)
    sent = tuple(sorted(campaign.messages, key=lambda message: message[:4]))
    return OralGraphRun(
        problem=problem,
        algorithm=f"OM({problem.m}, {p})",
        rounds=campaign.rounds,
        sent_by_round=tuple(
            sum(message.round == round_ for message in sent) for round_ in range(1, campaign.rounds + 1)
        ),
        decisions=decisions_of(problem, obtained),
        outside_bound=f"p = {p} is below 3m = {3 * problem.m}" if p < 3 * problem.m else too_many_traitors(problem),
        p=p,
        sent=sent,
    )


def messages_at_least(n: int, m: int, p: int) -> int:
    """The messages of OM(m, p) if every path were a single hop, which is OM(m)'s total at n = p+1."""
    total, commands = 0, 1
    for depth in range(m):
        commands *= p - depth
        total += commands
        if total > COUNTED_MAX:
            return total
    return total + commands * (n - m - 1)


def _require_defined(problem: Problem, p: int) -> None:
    n, m = problem.n, problem.m
    if m < 1:
        raise GeneralsError(f"m is {m}, but OM(m, p) is defined for m >= 1 only: give m >= 1.")
    if not m <= p < n:
        raise GeneralsError(
            f"p is {p}, but OM({m}, p) with {n} generals needs a p from {m} to {n - 1}: "
            f"give such a p, more generals or a smaller m."
        )
    if n > GENERALS_MAX:
        raise GeneralsError(f"Regularity is checked for up to {GENERALS_MAX} generals, not {n}: give fewer.")
    what = f"OM({m}, {p}), even if every path were one hop,"
    require_affordable(what, messages_at_least(n, m, p), RECORDED_MESSAGES_MAX)


class _Campaign:
    """The state of one run: what was sent so far, and the regular sets that were found."""

    def __init__(self, problem: Problem, strategy: OralStrategy) -> None:
        self.problem = problem
        self.rounds = 0
        self.messages: list[OralMessage] = []
        self._strategy = strategy
        self._regular_sets: dict[tuple[frozenset[int], int], RegularSet] = {}

    def command(self, graph: Graph, path: Path, order: Order, m: int, p: int) -> dict[int, Order]:
        """OM(m, p) with the last general on the path as the commander; what all others obtain."""
        chosen = self._regular_set(graph, path, p)
        rest = graph.without(path[-1])
        used = {i: obeyed(self._send(path, i, i, order)) for i in chosen.members}
        obtained: dict[int, dict[int, Order]] = {}
        for i in chosen.members:
            if m == 1:
                routes = ((k, each[i]) for k, each in chosen.routes.items() if k != i)
                obtained[i] = {k: self._carry(path, route, used[i]) for k, route in routes}
            else:
                obtained[i] = self.command(rest, (*path, i), used[i], m - 1, p - 1)
        return {
            k: self.problem.choice([used[i] if i == k else obtained[i][k] for i in chosen.members])
            for k in rest.adjacency
        }

    def _carry(self, path: Path, route: Route, order: Order) -> Order:
        """Step (2A): the order goes from hand to hand; a loyal station hands on what it was handed."""
        said: Utterance = order
        for hop, receiver in enumerate(route[1:], start=1):
            in_hand = said if isinstance(said, str) else None
            said = self._send((*path, *route[:hop]), receiver, route[-1], in_hand)
        return obeyed(said)

    def _send(self, path: Path, receiver: int, target: int, honest: Utterance) -> Utterance:
        """One hop, in the round that the length of its path tells."""
        said = honest
        if path[-1] in self.problem.traitors:
            said = self._strategy(self.problem, Occasion(path, receiver, target, obeyed(honest)))
        self.rounds = max(self.rounds, len(path))
        if said is not None:
            self.messages.append(OralMessage(len(path), path, receiver, target, said))
        return said

    def _regular_set(self, graph: Graph, path: Path, p: int) -> RegularSet:
        """Step (0): a regular set among those who are left.

        L82 notes that a p-regular graph without one of its generals is (p-1)-regular. Not always: K3,3 is
        3-regular, but K3,3 without general 0 is not 2-regular, for the two who were on his side. The
        recursion asks about his neighbours only, for whom no exception is known and none is proved absent.
        """
        key = (frozenset(path[:-1]), path[-1])
        if key not in self._regular_sets:
            chosen = find_regular_set(graph, path[-1], p)
            if chosen is None:
                raise GeneralsError(
                    f"Without generals {list(path[:-1])} general {path[-1]} has no regular set of {p} "
                    f"neighbours: add arcs or choose a smaller m."
                )
            self._regular_sets[key] = chosen
        return self._regular_sets[key]

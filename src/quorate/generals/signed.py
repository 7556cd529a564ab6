"""SM(m), the signed message algorithm (L82 section 4), on any graph of generals (section 5).

Rounds are lock-step: a chain of k+1 signatures belongs to round k+1. By A3 a general knows when a
round is over, so he knows when he "will receive no more messages" (step 3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from quorate.generals.counting import RECORDED_MESSAGES_MAX, require_affordable
from quorate.generals.errors import GeneralsError
from quorate.generals.graph import Graph, complete_graph
from quorate.generals.orders import Order
from quorate.generals.problem import Problem, Run, decisions_of, too_many_traitors
from quorate.generals.signatures import Keyring, SignedOrder, Verifier
from quorate.generals.signed_traitors import Letter, SignedStrategy, Vantage


class Fate(Enum):
    """What became of a message at its receiver."""

    ADDED = "added to V"
    KNOWN = "already in V"
    DROPPED = "dropped"
    TAKEN = "taken by a traitor"


class SignedMessage(NamedTuple):
    round: int
    sender: int
    receiver: int
    signed_order: SignedOrder
    fate: Fate
    reason: str
    """Why it was dropped; empty otherwise."""


@dataclass(frozen=True)
class SignedRun(Run):
    """A run of SM(m): every message, and the set V of every loyal lieutenant."""

    messages: tuple[SignedMessage, ...] = field(repr=False)
    orders_held: Mapping[int, tuple[Order, ...]]

    @property
    def dropped(self) -> tuple[SignedMessage, ...]:
        return tuple(message for message in self.messages if message.fate is Fate.DROPPED)


def signed_messages(
    problem: Problem, strategy: SignedStrategy, graph: Graph | None = None, depth: int | None = None
) -> SignedRun:
    """Run SM(depth) with the traitors following `strategy`.

    The depth is m where everybody can reach everybody, and m+d-1 on a graph whose loyal generals
    form a subgraph of diameter d (Theorem 4), unless the caller says otherwise.
    """
    n = problem.n
    require_affordable(f"SM with {n} generals and two orders", 2 * (n - 1) ** 2, RECORDED_MESSAGES_MAX)
    if graph is not None:
        graph.require_generals(n)
    if depth is None:
        depth = signed_depth(problem, graph)
    if depth < 0:
        raise GeneralsError(f"The depth is {depth}, but SM has at least one round: give depth >= 0.")
    campaign = _Campaign(problem, strategy, graph or complete_graph(n), depth)
    campaign.run()
    held = {lieutenant: tuple(sorted(campaign.held[lieutenant])) for lieutenant in problem.loyal_lieutenants}
    obtained = {lieutenant: problem.choice(orders) for lieutenant, orders in held.items()}
    return SignedRun(
        problem=problem,
        algorithm=f"SM({depth})",
        rounds=depth + 1,
        sent_by_round=campaign.sent_by_round(),
        decisions=decisions_of(problem, obtained),
        outside_bound=signed_bound(problem, graph, depth),
        messages=tuple(campaign.messages),
        orders_held=held,
    )


def signed_depth(problem: Problem, graph: Graph | None) -> int:
    """m on a complete graph; m+d-1 on another (Theorem 4), n-2 where no d exists (its corollary's)."""
    if graph is None:
        return problem.m
    diameter = _loyal_diameter(problem, graph)
    return max(problem.n - 2, 0) if diameter is None else problem.m + max(diameter, 1) - 1


def signed_bound(problem: Problem, graph: Graph | None, depth: int) -> str:
    """Why Theorems 2 and 4 say nothing here; empty where they promise IC1 and IC2."""
    if graph is not None and _loyal_diameter(problem, graph) is None:
        return "the loyal generals are not connected with one another"
    needed = signed_depth(problem, graph)
    if depth < needed:
        return f"SM({depth}) is not deep enough: this takes SM({needed})"
    return too_many_traitors(problem)


def _loyal_diameter(problem: Problem, graph: Graph) -> int | None:
    return graph.only(frozenset(range(problem.n)) - problem.traitors).diameter()


def refusal(signed_order: SignedOrder, receiver: int, round_: int, problem: Problem, verifier: Verifier) -> str:
    """Why a lieutenant ignores a message; empty if it is properly signed (L82 section 4, step 2).

    - It begins with the commander's signature.
    - Nobody signed twice.
    - The receiver has not signed it himself.
    - It bears as many signatures as rounds have passed, so it comes neither late nor early.
    - Every signature is genuine.
    """
    signers = signed_order.signers
    if signers[:1] != (problem.commander,):
        return "the commander's signature is missing"
    if len(set(signers)) < len(signers):
        return "somebody signed twice"
    if receiver in signers:
        return "the receiver has signed it himself"
    if len(signers) != round_:
        return f"signed by {len(signers)} in round {round_}: {'late' if len(signers) < round_ else 'early'}"
    if not verifier.is_genuine(signed_order):
        return "a signature is not genuine"
    return ""


def _place_in_round(posted: tuple[int, Letter]) -> tuple[object, ...]:
    """Messages of one round arrive together; they are looked at in an order that hangs on nothing else."""
    sender, (receiver, signed_order) = posted
    return receiver, signed_order.signers, sender, signed_order.order, signed_order.signatures


class _Campaign:
    """The state of one run: who holds which orders, and which letters leave next."""

    def __init__(self, problem: Problem, strategy: SignedStrategy, graph: Graph, depth: int) -> None:
        self.problem = problem
        self.depth = depth
        self.messages: list[SignedMessage] = []
        self.held: dict[int, set[Order]] = {each: set() for each in problem.loyal_lieutenants}
        self._strategy = strategy
        self._graph = graph
        self._verifier = Verifier(problem.seed, problem.n)
        self._loyal_keys = Keyring(problem.seed, frozenset(range(problem.n)) - problem.traitors)
        self._traitors_keys = Keyring(problem.seed, problem.traitors)
        self._heard: dict[int, dict[int, tuple[SignedOrder, ...]]] = {each: {} for each in problem.traitors}
        self._outbox: list[tuple[int, Letter]] = []

    def run(self) -> None:
        """All rounds, and one more in which traitors can only be late.

        A chain of n different signers leaves nobody to read it, so later rounds are empty.
        """
        problem = self.problem
        if problem.is_commander_loyal:
            order = self._loyal_keys.sign(SignedOrder(problem.order), problem.commander)
            self._post(problem.commander, order)
        for round_ in range(1, min(self.depth + 1, problem.n) + 2):
            letters = [*self._outbox, *self._letters_of_traitors(round_)]
            self._outbox = []
            letters.sort(key=_place_in_round)
            for sender, letter in letters:
                self._deliver(round_, sender, letter)

    def sent_by_round(self) -> tuple[int, ...]:
        last = max((message.round for message in self.messages), default=0)
        counts = [0] * last
        for message in self.messages:
            counts[message.round - 1] += 1
        return tuple(counts)

    def _neighbouring_lieutenants(self, general: int) -> tuple[int, ...]:
        return tuple(each for each in self._graph.neighbours(general) if each != self.problem.commander)

    def _post(self, sender: int, signed_order: SignedOrder) -> None:
        for receiver in self._neighbouring_lieutenants(sender):
            if receiver not in signed_order.signers:
                self._outbox.append((sender, Letter(receiver, signed_order)))

    def _letters_of_traitors(self, round_: int) -> Iterable[tuple[int, Letter]]:
        for traitor in sorted(self.problem.traitors):
            reachable = self._neighbouring_lieutenants(traitor)
            vantage = Vantage(
                problem=self.problem,
                round=round_,
                last_round=self.depth + 1,
                traitor=traitor,
                neighbours=reachable,
                heard=self._heard[traitor],
                keyring=self._traitors_keys,
            )
            for letter in self._strategy(vantage):
                if letter.receiver in reachable:
                    yield traitor, letter

    def _deliver(self, round_: int, sender: int, letter: Letter) -> None:
        receiver, signed_order = letter
        reason = ""
        if receiver in self.problem.traitors:
            heard = self._heard[receiver]
            heard[round_] = (*heard.get(round_, ()), signed_order)
            fate = Fate.TAKEN
        elif round_ > self.depth + 1:
            fate, reason = Fate.DROPPED, f"round {self.depth + 1} was the last: late"
        elif reason := refusal(signed_order, receiver, round_, self.problem, self._verifier):
            fate = Fate.DROPPED
        else:
            fate = self._accept(round_, receiver, signed_order)
        self.messages.append(SignedMessage(round_, sender, receiver, signed_order, fate, reason))

    def _accept(self, round_: int, lieutenant: int, signed_order: SignedOrder) -> Fate:
        """Step (2): a new order is added to V and, while there is time, signed and sent on.

        (2A) is (2B) with k = 0. A second order that comes from the commander himself is such a (2B)
        case too: without it two lieutenants could end with different sets.
        """
        held = self.held[lieutenant]
        if signed_order.order in held:
            return Fate.KNOWN
        held.add(signed_order.order)
        if round_ <= self.depth:
            self._post(lieutenant, self._loyal_keys.sign(signed_order, lieutenant))
        return Fate.ADDED

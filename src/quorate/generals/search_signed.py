"""The search for the worst that traitors can do to SM(m).

Under a loyal commander the only properly signed order is his, and he gives it to everybody: the named
strategies are run all the same. Under a traitorous one all that matters is which orders, signed by
traitors only, each loyal lieutenant is shown in each round; a chain with a loyal signer brings what
that signer has already sent to all. A chain of r traitors fits into round r, so r goes up to the
number of traitors, and with two orders there are four things to show: a finite space, searched whole
where it is small and sampled where it is not.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, product
from random import Random

from quorate.generals.orders import ATTACK, RETREAT, Choice, Order, majority
from quorate.generals.problem import Problem
from quorate.generals.search import RUNS_MAX, RUNS_MIN, Attempt, SearchResult, first_violation, traitor_sets
from quorate.generals.signatures import SignedOrder
from quorate.generals.signed import signed_messages
from quorate.generals.signed_traitors import SIGNED_STRATEGIES, Letter, SignedStrategy, Vantage

Showing = tuple[int, int]
"""A round, and a loyal lieutenant to whom traitors may show orders in it."""

Schedule = Mapping[Showing, tuple[Order, ...]]

SHOWN: tuple[tuple[Order, ...], ...] = ((), (ATTACK,), (RETREAT,), (ATTACK, RETREAT))
SHOWINGS_COUNTED_MAX = 30
MESSAGES_MAX = 200_000


def search_signed(
    n: int, m: int, traitor_count: int, *, choice: Choice = majority, seed: int = 0, runs_max: int | None = None
) -> SearchResult:
    """Look for traitors, at most `traitor_count` of them, who break SM(m)."""
    if runs_max is None:
        runs_max = max(RUNS_MIN, min(RUNS_MAX, MESSAGES_MAX // max(n * n, 1)))
    problems = tuple(traitor_sets(n, m, traitor_count, choice, seed))
    named = _named(problems)
    named_count = len(problems) * len(SIGNED_STRATEGIES)
    treacherous = next((problem for problem in problems if not problem.is_commander_loyal), None)
    if treacherous is None:
        return first_violation(named, named_count, f"{named_count} runs of the named strategies", is_exhaustive=True)
    showings = tuple(showings_of(treacherous))
    size = len(SHOWN) ** min(len(showings), SHOWINGS_COUNTED_MAX)
    if named_count + size <= runs_max:
        space = f"{named_count} runs of the named strategies and all {size:,} schedules of traitors' chains"
        attempts = chain(named, _every_schedule(treacherous, showings))
        return first_violation(attempts, named_count + size, space, is_exhaustive=True)
    space = f"the first {runs_max:,} runs of {len(SIGNED_STRATEGIES)} named strategies, random schedules"
    attempts = chain(named, random_schedules(treacherous, showings, Random(seed)))
    return first_violation(attempts, runs_max, space, is_exhaustive=False)


def showings_of(problem: Problem) -> Iterator[Showing]:
    rounds = min(problem.m + 1, len(problem.traitors))
    return ((round_, each) for round_ in range(1, rounds + 1) for each in problem.loyal_lieutenants)


def show(schedule: Schedule) -> SignedStrategy:
    """Traitors under a traitorous commander show what the schedule says, signed by as many as fit."""

    def letters(vantage: Vantage) -> Iterator[Letter]:
        problem = vantage.problem
        others = sorted(problem.traitors - {problem.commander})
        signers = (problem.commander, *others[: vantage.round - 1])
        if len(signers) < vantage.round or vantage.traitor != signers[-1]:
            return
        for receiver in vantage.neighbours:
            for order in schedule.get((vantage.round, receiver), ()):
                signed_order = SignedOrder(order)
                for signer in signers:
                    signed_order = vantage.keyring.sign(signed_order, signer)
                yield Letter(receiver, signed_order)

    return letters


def _named(problems: tuple[Problem, ...]) -> Iterator[Attempt]:
    for problem in problems:
        for name, strategy in SIGNED_STRATEGIES.items():
            yield Attempt(signed_messages(problem, strategy), f"the strategy {name}")


def _every_schedule(problem: Problem, showings: tuple[Showing, ...]) -> Iterator[Attempt]:
    for shown in product(SHOWN, repeat=len(showings)):
        schedule = dict(zip(showings, shown, strict=True))
        yield Attempt(signed_messages(problem, show(schedule)), "exhaustive search")


def random_schedules(problem: Problem, showings: tuple[Showing, ...], random: Random) -> Iterator[Attempt]:
    while True:
        schedule = {showing: random.choice(SHOWN) for showing in showings}
        yield Attempt(signed_messages(problem, show(schedule)), "a random schedule")

"""The search for the worst that traitors can do to OM(m): a run that breaks IC1 or IC2, or what was tried.

Small spaces are searched whole. A traitor's message to a traitor changes nothing, and silence and
lateness are RETREAT to a receiver, so with two orders each message from a traitor to a loyal general
is one bit. Lieutenants are interchangeable for every symmetric choice function, so two sets of t
traitors stand for all: one with the commander, one without.

Larger spaces are searched by a guide: all named strategies, then the three worlds of section 2 where
their camps are small enough, then hill climbing from seeded random starts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, permutations, product
from random import Random

from quorate.generals.counting import RECORDED_MESSAGES_MAX, oral_total, require_affordable_oral
from quorate.generals.oral import OralRun, oral_messages
from quorate.generals.orders import ATTACK, RETREAT, Choice, Order, Utterance, majority
from quorate.generals.problem import Problem, Run
from quorate.generals.three_worlds import three_worlds
from quorate.generals.traitors import ORAL_STRATEGIES, Occasion, OralStrategy, Path

RUNS_MIN, RUNS_MAX = 30, 2_000
MESSAGES_MAX = 20_000_000
"""How much is searched unless the caller says otherwise: runs, and messages in all of them."""

SLOTS_COUNTED_MAX = 60
"""2 to the power of more is no number of runs that anybody could ask for."""

STEPS_WITHOUT_PROGRESS = 40
"""After so many changes that did not help, hill climbing starts anew."""

LEANINGS = (0.0, 0.5, 1.0)
"""How likely a traitor says attack to one receiver."""

Slot = tuple[Path, int]
"""A message that a traitor owes to a loyal lieutenant: its path and its receiver."""

Lies = Mapping[Slot, Order]


@dataclass(frozen=True)
class Attempt:
    """A run, and where its traitors had their plan from."""

    run: Run
    plan: str


@dataclass(frozen=True)
class SearchResult:
    """A violation that was found, or else what was covered without finding any."""

    found: Attempt | None
    runs: int
    is_exhaustive: bool
    space: str
    """What was searched, wholly or until the violation was found."""


def search_oral(
    n: int, m: int, traitor_count: int, *, choice: Choice = majority, seed: int = 0, runs_max: int | None = None
) -> SearchResult:
    """Look for traitors, at most `traitor_count` of them, who break OM(m)."""
    require_affordable_oral(n, m, RECORDED_MESSAGES_MAX)
    if runs_max is None:
        runs_max = max(RUNS_MIN, min(RUNS_MAX, MESSAGES_MAX // max(oral_total(n, m), 1)))
    problems = tuple(traitor_sets(n, m, traitor_count, choice, seed))
    spaces = {problem: tuple(slots_of(problem)) for problem in problems if _is_distinct(problem)}
    size = sum(2 ** min(len(slots), SLOTS_COUNTED_MAX) for slots in spaces.values())
    if size <= runs_max:
        space = f"all {size:,} different runs with two orders"
        return first_violation(_exhaustive(spaces), size, space, is_exhaustive=True)
    has_three_worlds = 3 <= n <= 3 * traitor_count
    guides = f"{len(ORAL_STRATEGIES)} named strategies, {'the three worlds, ' if has_three_worlds else ''}hill climbing"
    space = f"the first {runs_max:,} runs of {guides}"
    worlds = _worlds(n, m, choice) if has_three_worlds else iter(())
    attempts = chain(_named(problems), worlds, _hill_climbing(spaces, Random(seed)))
    return first_violation(attempts, runs_max, space, is_exhaustive=False)


def first_violation(attempts: Iterator[Attempt], runs_max: int, space: str, *, is_exhaustive: bool) -> SearchResult:
    """Go through the attempts until one breaks IC1 or IC2."""
    runs = 0
    for runs, attempt in enumerate(islice(attempts, runs_max), start=1):
        if not attempt.run.holds:
            return SearchResult(attempt, runs, is_exhaustive, space)
    return SearchResult(None, runs, is_exhaustive, space)


def traitor_sets(n: int, m: int, traitor_count: int, choice: Choice, seed: int) -> Iterator[Problem]:
    """The two sets of traitors that stand for all, each with both orders."""
    with_commander = frozenset(range(traitor_count))
    without_commander = frozenset(range(1, traitor_count + 1)) if traitor_count < n else with_commander
    for traitors in dict.fromkeys((with_commander, without_commander)):
        for order in (ATTACK, RETREAT):
            yield Problem(n=n, m=m, order=order, traitors=traitors, choice=choice, seed=seed)


def _is_distinct(problem: Problem) -> bool:
    """The order that a traitorous commander does not send makes no difference to his lies."""
    return problem.is_commander_loyal or problem.order == ATTACK


def slots_of(problem: Problem) -> Iterator[Slot]:
    for depth in range(min(problem.m, problem.n - 2) + 1):
        for relays in permutations(problem.lieutenants, depth):
            path = (problem.commander, *relays)
            if path[-1] in problem.traitors:
                yield from ((path, each) for each in problem.loyal_lieutenants if each not in relays)


def follow(lies: Lies) -> OralStrategy:
    """The strategy that a table of lies describes; the truth where it says nothing."""

    def say(problem: Problem, occasion: Occasion) -> Utterance:
        return lies.get((occasion.path, occasion.receiver), occasion.honest)

    return say


def _exhaustive(spaces: Mapping[Problem, tuple[Slot, ...]]) -> Iterator[Attempt]:
    for problem, slots in spaces.items():
        for said in product((ATTACK, RETREAT), repeat=len(slots)):
            lies = dict(zip(slots, said, strict=True))
            yield Attempt(oral_messages(problem, follow(lies)), "exhaustive search")


def _named(problems: tuple[Problem, ...]) -> Iterator[Attempt]:
    for problem in problems:
        for name, strategy in ORAL_STRATEGIES.items():
            yield Attempt(oral_messages(problem, strategy), f"the strategy {name}")


def _worlds(n: int, m: int, choice: Choice) -> Iterator[Attempt]:
    for world in three_worlds(n, m, choice):
        yield Attempt(world.run, f"the world in which camp {world.traitorous_camp} betrays")


def _hill_climbing(spaces: Mapping[Problem, tuple[Slot, ...]], random: Random) -> Iterator[Attempt]:
    worth_climbing = {problem: slots for problem, slots in spaces.items() if slots}
    while True:
        for problem, slots in worth_climbing.items():
            for run in climb(problem, slots, random):
                yield Attempt(run, "hill climbing")


def climb(problem: Problem, slots: tuple[Slot, ...], random: Random) -> Iterator[OralRun]:
    """Each traitor leans to attack or to retreat towards each loyal lieutenant, or to neither and throws a coin.

    One leaning changes at a time, and stays changed unless it brings the loyal closer together. Leanings find
    violations in fewer runs than single lies do: most single lies are outvoted, and nothing is learnt.
    """
    pairs = sorted({(path[-1], receiver) for path, receiver in slots})
    leanings = {pair: random.choice(LEANINGS) for pair in pairs}
    best = -1
    fruitless = 0
    while fruitless < STEPS_WITHOUT_PROGRESS:
        changed = {**leanings, random.choice(pairs): random.choice(LEANINGS)}
        lies = {
            (path, receiver): ATTACK if random.random() < changed[path[-1], receiver] else RETREAT
            for path, receiver in slots
        }
        run = oral_messages(problem, follow(lies))
        yield run
        reached = discord(run)
        fruitless = 0 if reached > best else fruitless + 1
        if reached >= best:
            leanings, best = changed, reached


def discord(run: OralRun) -> int:
    """How far the loyal lieutenants' votes are from what IC1 and IC2 want.

    Counted over the votes of step (3): under a loyal commander those that differ from his order,
    otherwise, for each lieutenant who is voted on, those of the smaller party.
    """
    problem = run.problem
    held = [run.votes(lieutenant) for lieutenant in problem.loyal_lieutenants]
    if problem.is_commander_loyal:
        return sum(order != problem.order for votes in held for order in votes.values())
    parties = ([votes[about] for votes in held] for about in held[0]) if held else ()
    return sum(min(party.count(ATTACK), len(party) - party.count(ATTACK)) for party in parties)

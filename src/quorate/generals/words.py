"""What is said about runs in words: headings, verdicts, what a search covered."""

from collections.abc import Iterable, Mapping, Sequence

from quorate.generals.counting import paper_product
from quorate.generals.oral import OralRun
from quorate.generals.orders import Late, Order, Utterance
from quorate.generals.problem import Run
from quorate.generals.search import SearchResult
from quorate.generals.three_worlds import World, camps
from quorate.generals.vector import VectorRun


def numbers(generals: Iterable[int]) -> str:
    """As in "1, 2 and 4"."""
    words = [str(general) for general in generals]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spoken(utterance: Utterance) -> str:
    match utterance:
        case None:
            return "nothing"
        case Late(order):
            return f"{order}, too late"
        case order:
            return order


def headline(run: Run, strategy: str) -> str:
    """What was run."""
    problem = run.problem
    traitors = sorted(problem.traitors)
    named = f"traitor{'s' if len(traitors) > 1 else ''} {numbers(traitors)}: {strategy}"
    return f"{run.algorithm}, {counted(problem.n, 'general')}, {named if traitors else 'all loyal'}"


def verdict_line(run: Run) -> str:
    """The verdicts, the bound and the count, for a picture."""
    verdicts = f"IC1 {'holds' if run.ic1 else 'is broken'}, IC2 {'holds' if run.ic2 else 'is broken'}"
    bound = f"outside the bound ({run.outside_bound})" if run.outside_bound else "inside the bound"
    return f"{verdicts}, {bound}: {counted(run.total_messages, 'message')} in {counted(run.rounds, 'round')}"


def verdict_lines(run: Run) -> list[str]:
    """The verdicts, the count and the bound, a sentence each."""
    return [
        _ic1_line(sorted({run.decisions[general] for general in run.problem.loyal_lieutenants})),
        _ic2_line(run),
        _count_line(run),
        f"Outside the bound: {run.outside_bound}." if run.outside_bound else "Inside the bound.",
    ]


def _ic1_line(decided: Sequence[Order]) -> str:
    if not decided:
        return "IC1 holds: there is no loyal lieutenant."
    if len(decided) == 1:
        return f"IC1 holds: every loyal lieutenant obeys {decided[0]}."
    return f"IC1 is broken: the loyal lieutenants obey {' and '.join(decided)}."


def _ic2_line(run: Run) -> str:
    if not run.problem.is_commander_loyal:
        return "IC2 holds: it demands nothing when the commander is a traitor."
    if run.ic2:
        return "IC2 holds: the commander is loyal, and every loyal lieutenant obeys him."
    return f"IC2 is broken: the loyal commander ordered {run.problem.order}."


def _count_line(run: Run) -> str:
    line = f"{counted(run.total_messages, 'message')} in {counted(run.rounds, 'round')}"
    if isinstance(run, OralRun):
        product = paper_product(run.problem.n, run.problem.m)
        line += f", {run.last_round_messages:,} of them in the last (the paper's product: {product:,})"
    return f"{line}."


def vector_lines(vector: VectorRun) -> list[str]:
    """Whether the loyal hold equal vectors, with their own orders in them, and what it took."""
    consistency = "The loyal generals hold the same vector" if vector.is_consistent else "The vectors differ"
    validity = "" if vector.is_valid else "not "
    bound = f"Outside the bound: {vector.outside_bound}." if vector.outside_bound else "Inside the bound."
    return [
        f"{consistency}, and each loyal general's own order is {validity}in it at every loyal general.",
        f"{counted(vector.total_messages, 'message')} in {len(vector.runs)} runs of {vector.runs[0].algorithm}.",
        bound,
    ]


def demand(world: World) -> str:
    """Which condition of section 1 the argument of section 2 appeals to in this world, and for whom."""
    problem = world.run.problem
    camp_of = camps(problem.n)
    camp = {name: [each for each in problem.lieutenants if camp_of[each] == name] for name in "BC"}
    match world.traitorous_camp:
        case "C":
            return f"IC2, {numbers(camp['B'])} must attack"
        case "B":
            return f"IC2, {numbers(camp['C'])} must retreat"
        case _:
            return f"IC1, {numbers(camp['B'] + camp['C'])} must agree"


def conclusion(world: World) -> str:
    return f"{demand(world)}: {'broken' if world.is_broken else 'met'}"


def views_line(views: Mapping[int, tuple[int, int]]) -> str:
    """Who cannot tell which worlds apart."""
    lieutenants: dict[tuple[int, int], list[int]] = {}
    for lieutenant, pair in views.items():
        lieutenants.setdefault(pair, []).append(lieutenant)
    clauses = (
        f"worlds {one} and {other} look the same to {numbers(alike)}" for (one, other), alike in lieutenants.items()
    )
    sentence = ", ".join(clauses)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def found_or_not(result: SearchResult) -> str:
    if result.found:
        return f"broken (run {result.runs:,})"
    return f"holds ({'all ' if result.is_exhaustive else ''}{result.runs:,} runs)"


def search_lines(result: SearchResult) -> list[str]:
    """What a search found, and what it covered."""
    if result.found:
        return [f"Broken in run {result.runs:,}, by {result.found.plan}.", f"Search space: {result.space}."]
    extent = "and there are no others" if result.is_exhaustive else "which is no proof"
    return [f"Not broken in {result.runs:,} runs, {extent}.", f"Search space: {result.space}."]

"""Runs as tables of words, for people; whoever prints them chooses lines and colours."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from quorate.generals.oral import OralMessage, OralRun
from quorate.generals.oral_graph import OralGraphRun
from quorate.generals.orders import Order, Utterance
from quorate.generals.problem import Problem, Run
from quorate.generals.signed import SignedMessage, SignedRun
from quorate.generals.table import Cell
from quorate.generals.three_worlds import World, views
from quorate.generals.vector import VectorRun
from quorate.generals.words import demand, found_or_not, numbers, spoken


@dataclass(frozen=True)
class Sheet:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    """The columns of numbers, which stand flush right."""


def run_sheets(run: Run, *, with_trace: bool) -> Iterator[Sheet]:
    """The rounds of a run, if asked for every message, and what everybody holds at the end."""
    yield _rounds_sheet(run)
    if with_trace:
        yield from trace_sheets(run)
    yield _end_sheet(run)


def trace_sheets(run: Run) -> Iterator[Sheet]:
    """Every message, a table a round."""
    match run:
        case OralRun():
            yield from _oral_trace(run.problem, run.owed())
        case OralGraphRun():
            yield from _oral_trace(run.problem, run.messages())
        case SignedRun():
            yield from _signed_trace(run.problem, run.messages)


def vector_sheet(vector: VectorRun) -> Sheet:
    traitors = vector.problem.traitors
    columns = (f"of {_named(general, traitors)}" for general in range(vector.problem.n))
    rows = ((str(general), *held, vector.plans[general]) for general, held in vector.vectors.items())
    return Sheet("What each loyal general holds", ("general", *columns, "plan"), tuple(rows))


def worlds_sheet(worlds: Sequence[World]) -> Sheet:
    """The three worlds; where there are only three generals, also what the lieutenants hear."""
    shows_hearing = worlds[0].run.problem.n == 3
    rows = []
    for place, world in enumerate(worlds, start=1):
        run = world.run
        heard = _heard_by_both(run) if shows_hearing else ()
        decided = ", ".join(f"{general} {run.decisions[general]}" for general in run.problem.loyal_lieutenants)
        verdict = "broken" if world.is_broken else "met"
        traitors = numbers(sorted(run.problem.traitors))
        rows.append((str(place), traitors, *heard, demand(world), decided, verdict))
    hearing = ("1 hears", "2 hears") if shows_hearing else ()
    return Sheet("Three worlds", ("world", "traitors", *hearing, "demand", "obey", "verdict"), tuple(rows))


def table_sheet(cells: Iterable[Cell]) -> Sheet:
    sizes = ("n", "m", "rounds", "OM messages", "in the last")
    columns = (*sizes, "OM, m traitors", "SM messages", "SM, m traitors", "SM, m+1 traitors")
    return Sheet("", columns, tuple(_table_row(cell) for cell in cells), frozenset({*sizes, "SM messages"}))


def _table_row(cell: Cell) -> tuple[str, ...]:
    return (
        str(cell.n),
        str(cell.m),
        str(cell.rounds),
        f"{cell.oral_total:,}",
        f"{cell.oral_last_round:,}",
        found_or_not(cell.oral),
        f"{cell.signed_total:,}",
        found_or_not(cell.signed),
        found_or_not(cell.signed_one_more) if cell.signed_one_more else "vacuous",
    )


def _rounds_sheet(run: Run) -> Sheet:
    said = _said_by_round(run)
    kinds = sorted({each for counts in said for each, count in counts.items() if count}, key=spoken)
    rows = (
        (str(round_), f"{run.sent_by_round[round_ - 1]:,}", *(f"{counts[kind]:,}" for kind in kinds))
        for round_, counts in enumerate(said, start=1)
    )
    columns = ("round", "messages", *map(spoken, kinds))
    return Sheet("Rounds", columns, tuple(rows), frozenset(columns))


def _said_by_round(run: Run) -> list[Counter[Utterance]]:
    rounds = range(1, len(run.sent_by_round) + 1)
    match run:
        case OralRun():
            return [run.said(round_) for round_ in rounds]
        case OralGraphRun():
            said: list[tuple[int, Utterance]] = [(message.round, message.said) for message in run.sent]
        case SignedRun():
            said = [(message.round, message.signed_order.order) for message in run.messages]
        case _:
            said = []
    return [Counter(each for at, each in said if at == round_) for round_ in rounds]


def _end_sheet(run: Run) -> Sheet:
    """What each loyal lieutenant obeys, and from what he concluded it."""
    lieutenants = run.problem.loyal_lieutenants
    obeyed = [(str(lieutenant), run.decisions[lieutenant]) for lieutenant in lieutenants]
    match run:
        case OralRun():
            held = [_grouped(run.votes(lieutenant)) for lieutenant in lieutenants]
        case SignedRun():
            held = [", ".join(run.orders_held[lieutenant]) or "nothing" for lieutenant in lieutenants]
        case _:
            return Sheet("The end", ("lieutenant", "obeys"), tuple(obeyed))
    rows = ((who, holds, order) for (who, order), holds in zip(obeyed, held, strict=True))
    return Sheet("The end", ("lieutenant", "holds", "obeys"), tuple(rows))


def _grouped(votes: Mapping[int, Order]) -> str:
    by_order: dict[Order, list[str]] = {}
    for general, order in votes.items():
        by_order.setdefault(order, []).append(str(general))
    return "; ".join(f"{order} from {' '.join(generals)}" for order, generals in sorted(by_order.items()))


def _oral_trace(problem: Problem, messages: Iterable[OralMessage]) -> Iterator[Sheet]:
    """A row for each path, a column for each thing that was said, and in it to whom."""
    for round_, in_round in groupby(messages, key=lambda message: message.round):
        told: dict[tuple[int, ...], dict[Utterance, list[str]]] = {}
        for message in in_round:
            told.setdefault(message.path, {}).setdefault(message.said, []).append(_addressee(message))
        kinds = sorted({kind for by_kind in told.values() for kind in by_kind}, key=spoken)
        rows = (
            (_route(path, problem.traitors), *(" ".join(by_kind.get(kind, ())) for kind in kinds))
            for path, by_kind in told.items()
        )
        columns = (_legend("path", problem), *(f"{spoken(kind)} to" for kind in kinds))
        yield Sheet(f"Round {round_}", columns, tuple(rows))


def _signed_trace(problem: Problem, messages: Sequence[SignedMessage]) -> Iterator[Sheet]:
    """A row for each chain that a general sent and each thing that became of it."""

    def alike(message: SignedMessage) -> tuple[int, int, str, str, str]:
        return message.round, message.sender, str(message.signed_order), message.fate.value, message.reason

    rows: dict[int, list[tuple[str, ...]]] = {}
    for (round_, sender, chain, fate, reason), group in groupby(sorted(messages, key=alike), key=alike):
        receivers = " ".join(str(message.receiver) for message in group)
        became = f"{fate}: {reason}" if reason else fate
        rows.setdefault(round_, []).append((_named(sender, problem.traitors), chain, receivers, became))
    for round_, in_round in rows.items():
        yield Sheet(
            f"Round {round_}", (_legend("sender", problem), "chain", "to", "what became of it"), tuple(in_round)
        )


def _named(general: int, traitors: frozenset[int]) -> str:
    return f"{general}*" if general in traitors else str(general)


def _legend(column: str, problem: Problem) -> str:
    return f"{column} (* traitor)" if problem.traitors else column


def _route(path: tuple[int, ...], traitors: frozenset[int]) -> str:
    return " ".join(_named(general, traitors) for general in path)


def _addressee(message: OralMessage) -> str:
    on_the_way = f" (for {message.target})" if message.receiver != message.target else ""
    return f"{message.receiver}{on_the_way}"


def _heard_by_both(run: OralRun) -> tuple[str, ...]:
    """What the commander says and what the other lieutenant says about him, as in L82's figures 1 and 2."""
    heard = views(run)
    return tuple(
        ", ".join(spoken(said) if len(path) == 1 else f'"he said {spoken(said)}"' for path, said in heard[lieutenant])
        for lieutenant in run.problem.lieutenants
    )

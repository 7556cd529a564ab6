"""Runs as plain data: what `--json` prints."""

from collections.abc import Iterable, Mapping
from typing import Any

from quorate.generals.counting import oral_total, paper_product
from quorate.generals.oral import OralMessage, OralRun
from quorate.generals.oral_graph import OralGraphRun
from quorate.generals.orders import Late
from quorate.generals.problem import Problem, Run
from quorate.generals.search import SearchResult
from quorate.generals.signed import SignedMessage, SignedRun
from quorate.generals.table import Cell
from quorate.generals.three_worlds import World
from quorate.generals.vector import VectorRun
from quorate.generals.words import demand

Document = dict[str, Any]


def run_document(run: Run, *, with_trace: bool) -> Document:
    """Any run. `messages` counts what was sent; silent traitors make it less than the closed formula."""
    document: Document = {
        "algorithm": run.algorithm,
        **_problem(run.problem),
        "decisions": _by_general(run.decisions),
        "ic1": run.ic1,
        "ic2": run.ic2,
        "messages": {
            "total": run.total_messages,
            "last_round": run.last_round_messages,
            "by_round": list(run.sent_by_round),
        },
        "rounds": run.rounds,
        "inside_bound": not run.outside_bound,
        "outside_bound_because": run.outside_bound or None,
    }
    if isinstance(run, OralRun):
        document["messages"] |= _formulas(run.problem)
    if isinstance(run, SignedRun):
        document["messages"]["paper_product"] = paper_product(run.problem.n, run.rounds - 1)
        document["orders_held"] = _by_general({each: list(held) for each, held in run.orders_held.items()})
        document["dropped"] = [_signed_message(message) for message in run.dropped]
    if with_trace:
        document["trace"] = trace(run)
    return document


def trace(run: Run) -> list[Document]:
    """Every message that was sent."""
    match run:
        case OralRun() | OralGraphRun():
            return _oral_trace(run.messages())
        case SignedRun():
            return [_signed_message(message) for message in run.messages]
        case _:
            return []


def vector_document(vector: VectorRun) -> Document:
    return {
        "algorithm": vector.runs[0].algorithm,
        "n": vector.problem.n,
        "m": vector.problem.m,
        "traitors": sorted(vector.problem.traitors),
        "orders": list(vector.orders),
        "vectors": _by_general({general: list(held) for general, held in vector.vectors.items()}),
        "plans": _by_general(vector.plans),
        "consistent": vector.is_consistent,
        "valid": vector.is_valid,
        "messages": {"total": vector.total_messages},
        "rounds": vector.runs[0].rounds,
        "inside_bound": not vector.outside_bound,
        "outside_bound_because": vector.outside_bound or None,
    }


def search_document(result: SearchResult, *, with_trace: bool) -> Document:
    found = result.found
    return {
        "found": found is not None,
        "runs": result.runs,
        "exhaustive": result.is_exhaustive,
        "space": result.space,
        "plan": found.plan if found else None,
        "run": run_document(found.run, with_trace=with_trace) if found else None,
    }


def worlds_document(worlds: Iterable[World], same_views: Mapping[int, tuple[int, int]]) -> Document:
    """`same_views`: for each general the two worlds, counted from 1, that he cannot tell apart."""
    listed = list(worlds)
    return {
        "worlds": [{"demand": demand(world), **run_document(world.run, with_trace=False)} for world in listed],
        "same_views": _by_general({general: list(pair) for general, pair in same_views.items()}),
        "broken": any(world.is_broken for world in listed),
    }


def cell_document(cell: Cell) -> Document:
    return {
        "n": cell.n,
        "m": cell.m,
        "rounds": cell.rounds,
        "om": {
            "messages": {"total": cell.oral_total, "last_round": cell.oral_last_round},
            "inside_bound": cell.is_inside_oral_bound,
            "search": search_document(cell.oral, with_trace=False),
        },
        "sm": {
            "messages": {"all_loyal": cell.signed_total},
            "search": search_document(cell.signed, with_trace=False),
            "search_with_one_traitor_more": search_document(cell.signed_one_more, with_trace=False)
            if cell.signed_one_more
            else None,
        },
    }


def _problem(problem: Problem) -> Document:
    return {
        "n": problem.n,
        "m": problem.m,
        "commander": problem.commander,
        "order": problem.order,
        "traitors": sorted(problem.traitors),
        "choice": problem.choice.__name__,
        "seed": problem.seed,
    }


def _formulas(problem: Problem) -> Document:
    """What OM(m) sends if nobody keeps silent, and the part of it that L82 quotes."""
    return {
        "formula_total": oral_total(problem.n, problem.m),
        "formula_last_round": paper_product(problem.n, problem.m),
    }


def _by_general(values: Mapping[int, object]) -> dict[str, object]:
    return {str(general): value for general, value in values.items()}


def _oral_trace(messages: Iterable[OralMessage]) -> list[Document]:
    return [
        {
            "round": message.round,
            "path": list(message.path),
            "receiver": message.receiver,
            "target": message.target,
            "order": message.said.order if isinstance(message.said, Late) else message.said,
            "late": isinstance(message.said, Late),
        }
        for message in messages
    ]


def _signed_message(message: SignedMessage) -> Document:
    return {
        "round": message.round,
        "sender": message.sender,
        "receiver": message.receiver,
        "order": message.signed_order.order,
        "signers": list(message.signed_order.signers),
        "signatures": [signature.hex() for signature in message.signed_order.signatures],
        "fate": message.fate.value,
        "reason": message.reason or None,
    }

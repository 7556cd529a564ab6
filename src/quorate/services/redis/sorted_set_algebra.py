"""Unions, intersections and differences of sorted sets; sets take part with a score of 1."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

from quorate.services.redis.arguments import float_argument, integer_argument
from quorate.services.redis.command import Call, Command, Handler, Keys, Kind
from quorate.services.redis.errors import SYNTAX, WRONG_TYPE, CommandError
from quorate.services.redis.reply import bulks, integer
from quorate.services.redis.sets import cardinality_arguments
from quorate.services.redis.sorted_set import SortedSet
from quorate.services.redis.sorted_set_ranges import store
from quorate.services.redis.values import MemberSet

Scores = dict[bytes, float]
Aggregate = Callable[[float, float], float]


def _sum(first: float, second: float) -> float:
    total = first + second
    return 0.0 if isnan(total) else total


_AGGREGATES: dict[bytes, Aggregate] = {b"SUM": _sum, b"MIN": min, b"MAX": max}


class _Request(NamedTuple):
    inputs: list[Scores]
    weights: list[float]
    aggregate: Aggregate
    with_scores: bool

    def weighted(self) -> list[Scores]:
        """The inputs with their weights applied, small ones first: the order in which Redis adds scores up."""
        scaled = [
            {member: _product(score, weight) for member, score in scores.items()}
            for scores, weight in zip(self.inputs, self.weights, strict=True)
        ]
        return sorted(scaled, key=len)


def _product(score: float, weight: float) -> float:
    product = score * weight
    return 0.0 if isnan(product) else product


Algebra = Callable[[_Request], Scores]


def _union(request: _Request) -> Scores:
    result: Scores = {}
    for scores in request.weighted():
        for member, score in scores.items():
            result[member] = request.aggregate(result[member], score) if member in result else score
    return result


def _intersection(request: _Request) -> Scores:
    smallest, *others = request.weighted()
    result: Scores = {}
    for member, score in smallest.items():
        if all(member in other for other in others):
            for other in others:
                score = request.aggregate(score, other[member])
            result[member] = score
    return result


def _difference(request: _Request) -> Scores:
    first, *others = request.inputs
    return {member: score for member, score in first.items() if not any(member in other for other in others)}


def _input(call: Call, key: bytes) -> Scores:
    """The scores of a sorted set or of a set. Never iterated where the order shows."""
    entry = call.database.find(key)
    if entry is None:
        return {}
    if isinstance(entry.value, SortedSet):
        return entry.value.scores
    if isinstance(entry.value, MemberSet):
        return dict.fromkeys(entry.value.members, 1.0)
    raise CommandError(WRONG_TYPE)


def _parse(call: Call, command: str, arguments: list[bytes], weighs: bool, stores: bool) -> _Request:
    """What follows the destination: numkeys key [key ...] [WEIGHTS ...] [AGGREGATE ...] [WITHSCORES]"""
    number = integer_argument(arguments[0])
    if number < 1:
        raise CommandError(f"ERR at least 1 input key is needed for '{command}' command")
    if number > len(arguments) - 1:
        raise CommandError(SYNTAX)
    inputs = [_input(call, key) for key in arguments[1 : 1 + number]]
    rest = arguments[1 + number :]
    weights, aggregate, with_scores = [1.0] * number, _AGGREGATES[b"SUM"], False
    while rest:
        match rest[0].upper():
            case b"WEIGHTS" if weighs and len(rest) > number:
                weights = [float_argument(text, "ERR weight value is not a float") for text in rest[1 : 1 + number]]
                rest = rest[1 + number :]
            case b"AGGREGATE" if weighs and len(rest) > 1 and rest[1].upper() in _AGGREGATES:
                aggregate = _AGGREGATES[rest[1].upper()]
                rest = rest[2:]
            case b"WITHSCORES" if not stores:
                with_scores = True
                rest = rest[1:]
            case _:
                raise CommandError(SYNTAX)
    return _Request(inputs, weights, aggregate, with_scores)


def _combine(name: str, algebra: Algebra, weighs: bool) -> Handler:
    def combine(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sorted sets and give the members."""
        request = _parse(call, name, arguments[1:], weighs, stores=False)
        ordered = sorted((score, member) for member, score in algebra(request).items())
        if request.with_scores:
            return call.dialect.scored(ordered)
        return bulks([member for _, member in ordered])

    return combine


def _store(name: str, algebra: Algebra, weighs: bool) -> Handler:
    def combine_and_store(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sorted sets and store the members under the first key."""
        request = _parse(call, name, arguments[2:], weighs, stores=True)
        result = algebra(request)
        store(call, arguments[1], list(result.items()))
        return integer(len(result))

    return combine_and_store


def zintercard(call: Call, arguments: list[bytes]) -> bytes:
    """ZINTERCARD numkeys key [key ...] [LIMIT limit]"""
    keys, limit = cardinality_arguments(arguments)
    inputs = [_input(call, key) for key in keys]
    found = len(_intersection(_Request(inputs, [1.0] * len(inputs), _sum, False)))
    return integer(min(found, limit) if limit else found)


_FAMILY: list[tuple[str, Algebra, bool]] = [
    ("zdiff", _difference, False),
    ("zinter", _intersection, True),
    ("zunion", _union, True),
]

COMMANDS = [
    *(Command(name, _combine(name, algebra, weighs), -3, Kind.READ, Keys()) for name, algebra, weighs in _FAMILY),
    *(
        Command(f"{name}store", _store(f"{name}store", algebra, weighs), -4, Kind.WRITE)
        for name, algebra, weighs in _FAMILY
    ),
    Command("zintercard", zintercard, -3, Kind.READ, Keys()),
]

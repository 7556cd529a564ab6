"""Unions, intersections and differences of sorted sets; sets take part with a score of 1."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

from quorate.services.redis.arguments import float_argument, integer_argument, positive_argument
from quorate.services.redis.command import Call, Command, Handler, Keys, Kind
from quorate.services.redis.errors import SYNTAX, WRONG_TYPE, CommandError
from quorate.services.redis.reply import bulks, integer
from quorate.services.redis.sorted_set import SortedSet
from quorate.services.redis.sorted_set_ranges import store
from quorate.services.redis.values import MemberSet

Scores = dict[bytes, float]
Aggregate = Callable[[float, float], float]


def _number(score: float) -> float:
    return 0.0 if isnan(score) else score


def _sum(first: float, second: float) -> float:
    return _number(first + second)


_AGGREGATES: dict[bytes, Aggregate] = {b"SUM": _sum, b"MIN": min, b"MAX": max}


class _Request(NamedTuple):
    inputs: list[Scores]
    weights: list[float]
    aggregate: Aggregate
    with_scores: bool
    limit: int
    """Of ZINTERCARD: 0 is none."""

    def weighted(self) -> list[Scores]:
        """The inputs with their weights applied, small ones first: the order in which Redis adds scores up. Infinity
        with a weight of 0 is no number."""
        scaled = [
            {member: score * weight for member, score in scores.items()}
            for scores, weight in zip(self.inputs, self.weights, strict=True)
        ]
        return sorted(scaled, key=len)


Algebra = Callable[[_Request], Scores]


def _union(request: _Request) -> Scores:
    result: Scores = {}
    for scores in request.weighted():
        for member, score in scores.items():
            number = _number(score)
            result[member] = request.aggregate(result[member], number) if member in result else number
    return result


def _intersection(request: _Request) -> Scores:
    smallest, *others = request.weighted()
    result: Scores = {}
    for member, score in smallest.items():
        if all(member in other for other in others):
            total = _number(score)
            for other in others:  # what is no number here is one of the sum's terms: as in Redis, and unlike in a union
                total = request.aggregate(total, other[member])
            result[member] = total
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


_WEIGHING = frozenset({b"WEIGHTS", b"AGGREGATE"})


def _parse(call: Call, command: str, arguments: list[bytes], allowed: frozenset[bytes]) -> _Request:
    """What follows the destination: numkeys key [key ...] and the options that the command has."""
    number = integer_argument(arguments[0])
    if number < 1:
        raise CommandError(f"ERR at least 1 input key is needed for '{command}' command")
    if number > len(arguments) - 1:
        raise CommandError(SYNTAX)
    inputs = [_input(call, key) for key in arguments[1 : 1 + number]]
    weights, aggregate, with_scores, limit = [1.0] * number, _AGGREGATES[b"SUM"], False, 0
    rest = arguments[1 + number :]
    while rest:
        option, values = rest[0].upper(), rest[1:]
        if option not in allowed:
            raise CommandError(SYNTAX)
        taken = 1
        match option:
            case b"WITHSCORES":
                with_scores, taken = True, 0
            case b"WEIGHTS" if len(values) >= number:
                weights = [float_argument(text, "ERR weight value is not a float") for text in values[:number]]
                taken = number
            case b"AGGREGATE" if values and values[0].upper() in _AGGREGATES:
                aggregate = _AGGREGATES[values[0].upper()]
            case b"LIMIT" if values:
                limit = positive_argument(values[0], "ERR LIMIT can't be negative")
            case _:
                raise CommandError(SYNTAX)
        rest = values[taken:]
    return _Request(inputs, weights, aggregate, with_scores, limit)


def _combine(name: str, algebra: Algebra, options: frozenset[bytes]) -> Handler:
    def combine(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sorted sets and give the members."""
        request = _parse(call, name, arguments[1:], options | {b"WITHSCORES"})
        ordered = sorted((score, member) for member, score in algebra(request).items())
        if request.with_scores:
            return call.dialect.scored(ordered)
        return bulks([member for _, member in ordered])

    return combine


def _store(name: str, algebra: Algebra, options: frozenset[bytes]) -> Handler:
    def combine_and_store(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sorted sets and store the members under the first key."""
        result = algebra(_parse(call, name, arguments[2:], options))
        store(call, arguments[1], list(result.items()))
        return integer(len(result))

    return combine_and_store


def zintercard(call: Call, arguments: list[bytes]) -> bytes:
    """ZINTERCARD numkeys key [key ...] [LIMIT limit]"""
    request = _parse(call, "zintercard", arguments[1:], frozenset({b"LIMIT"}))
    found = len(_intersection(request))
    return integer(min(found, request.limit) if request.limit else found)


_FAMILY: list[tuple[str, Algebra, frozenset[bytes]]] = [
    ("zdiff", _difference, frozenset()),
    ("zinter", _intersection, _WEIGHING),
    ("zunion", _union, _WEIGHING),
]

COMMANDS: list[Command] = [
    *(Command(name, _combine(name, algebra, options), -3, Kind.READ, Keys()) for name, algebra, options in _FAMILY),
    *(
        Command(f"{name}store", _store(f"{name}store", algebra, options), -4, Kind.WRITE)
        for name, algebra, options in _FAMILY
    ),
    Command("zintercard", zintercard, -3, Kind.READ, Keys()),
]

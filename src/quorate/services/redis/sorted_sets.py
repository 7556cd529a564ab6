"""Commands on sorted sets, those on ranges and the algebra apart."""

from __future__ import annotations

from math import isnan

from quorate.services.redis.arguments import float_argument, positive_argument, random_count_argument
from quorate.services.redis.command import Call, Command, Handler, Kind
from quorate.services.redis.errors import SYNTAX, CommandError
from quorate.services.redis.reply import EMPTY_ARRAY, ZERO, array, bulk, bulks, integer
from quorate.services.redis.sorted_set import SortedSet

_EMPTY = SortedSet()


def read(call: Call, key: bytes) -> SortedSet:
    """The sorted set to look at, an empty one when the key is absent."""
    return call.database.read(key, SortedSet) or _EMPTY


def _new_score(options: frozenset[bytes], present: float | None, score: float) -> float | None:
    """The score that the options of ZADD give a member, None when it stays as it is, present or absent."""
    if not options:
        return score
    if present is None:
        return None if b"XX" in options else score
    if b"NX" in options:
        return None
    if b"INCR" in options:
        score += present
        if isnan(score):
            raise CommandError("ERR resulting score is not a number (NaN)")
    if (b"LT" in options and score >= present) or (b"GT" in options and score <= present):
        return None
    return score


_ZADD_OPTIONS = {b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"}


def zadd(call: Call, arguments: list[bytes]) -> bytes:
    """ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]"""
    place = 2
    while place < len(arguments) and arguments[place].upper() in _ZADD_OPTIONS:
        place += 1
    options = frozenset(map(bytes.upper, arguments[2:place]))
    return _add(call, arguments[1], options, arguments[place:])


def zincrby(call: Call, arguments: list[bytes]) -> bytes:
    """ZINCRBY key increment member"""
    return _add(call, arguments[1], frozenset({b"INCR"}), arguments[2:])


def _add(call: Call, key: bytes, options: frozenset[bytes], pairs: list[bytes]) -> bytes:
    _check_options(options, pairs)
    scores = [float_argument(text) for text in pairs[::2]]
    present = read(call, key)
    added, changed, score = 0, 0, None
    target: SortedSet | None = None
    for number, member in zip(scores, pairs[1::2], strict=True):
        members = present if target is None else target
        before = members.scores.get(member)
        score = _new_score(options, before, number)
        if score is None or score == before:
            continue
        if target is None:
            target = call.database.change_or_create(key, SortedSet)
        target.set(member, score)
        added += before is None
        changed += before is not None
    if b"INCR" in options:
        return call.dialect.null if score is None else call.dialect.double(score)
    return integer(added + changed if b"CH" in options else added)


def _check_options(options: frozenset[bytes], pairs: list[bytes]) -> None:
    if not pairs or len(pairs) % 2:
        raise CommandError(SYNTAX)
    if not options:
        return
    if {b"NX", b"XX"} <= options:
        raise CommandError("ERR XX and NX options at the same time are not compatible")
    if len({b"NX", b"GT", b"LT"} & options) > 1:
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in options and len(pairs) > 2:
        raise CommandError("ERR INCR option supports a single increment-element pair")


def zrem(call: Call, arguments: list[bytes]) -> bytes:
    """ZREM key member [member ...]"""
    key = arguments[1]
    present = read(call, key)
    if not any(member in present for member in arguments[2:]):
        return ZERO
    members = call.database.change_or_create(key, SortedSet)
    removed = sum(map(members.remove, arguments[2:]))
    call.database.delete_if_empty(key, members)
    return integer(removed)


def zcard(call: Call, arguments: list[bytes]) -> bytes:
    """ZCARD key"""
    return integer(len(read(call, arguments[1])))


def zscore(call: Call, arguments: list[bytes]) -> bytes:
    """ZSCORE key member"""
    score = read(call, arguments[1]).scores.get(arguments[2])
    return call.dialect.null if score is None else call.dialect.double(score)


def zmscore(call: Call, arguments: list[bytes]) -> bytes:
    """ZMSCORE key member [member ...]"""
    dialect = call.dialect
    scores = map(read(call, arguments[1]).scores.get, arguments[2:])
    return array(dialect.null if score is None else dialect.double(score) for score in scores)


def zrank(call: Call, arguments: list[bytes]) -> bytes:
    """ZRANK key member"""
    rank = read(call, arguments[1]).rank(arguments[2])
    return call.dialect.null if rank is None else integer(rank)


def zrevrank(call: Call, arguments: list[bytes]) -> bytes:
    """ZREVRANK key member"""
    members = read(call, arguments[1])
    rank = members.rank(arguments[2])
    return call.dialect.null if rank is None else integer(len(members) - 1 - rank)


def _pop(lowest: bool) -> Handler:
    def pop(call: Call, arguments: list[bytes]) -> bytes:
        """Take the members with the lowest or the highest scores."""
        if len(arguments) > 3:
            raise CommandError(SYNTAX)
        key = arguments[1]
        count = positive_argument(arguments[2]) if len(arguments) == 3 else 1
        present = read(call, key)
        count = min(count, len(present))
        if not count:
            return EMPTY_ARRAY
        start = 0 if lowest else len(present) - count
        taken = present.ordered[start : start + count]
        if not lowest:
            taken.reverse()
        if len(arguments) == 3:
            reply = call.dialect.scored(taken)  # refused when too large, with nothing taken yet
        else:
            score, member = taken[0]
            reply = b"*2\r\n" + bulk(member) + call.dialect.double(score)
        members = call.database.change_or_create(key, SortedSet)
        members.remove_range(start, start + count)
        call.database.delete_if_empty(key, members)
        return reply

    return pop


def zrandmember(call: Call, arguments: list[bytes]) -> bytes:
    """ZRANDMEMBER key [count [WITHSCORES]]"""
    key = arguments[1]
    if len(arguments) == 2:
        ordered = read(call, key).ordered
        return bulk(ordered[call.choices.below(len(ordered))][1]) if ordered else call.dialect.null
    count, with_scores = random_count_argument(arguments[2], arguments[3:], b"WITHSCORES")
    ordered = read(call, key).ordered
    if not ordered:
        return EMPTY_ARRAY
    chosen = [ordered[place] for place in call.choices.places(len(ordered), count)]
    return call.dialect.scored(chosen) if with_scores else bulks([member for _, member in chosen])


COMMANDS: list[Command] = [
    Command("zadd", zadd, -4, Kind.WRITE),
    Command("zcard", zcard, 2, Kind.READ),
    Command("zincrby", zincrby, 4, Kind.WRITE),
    Command("zmscore", zmscore, -3, Kind.READ),
    Command("zpopmax", _pop(lowest=False), -2, Kind.WRITE),
    Command("zpopmin", _pop(lowest=True), -2, Kind.WRITE),
    Command("zrandmember", zrandmember, -2, Kind.READ | Kind.UNSTEADY),
    Command("zrank", zrank, 3, Kind.READ),
    Command("zrem", zrem, -3, Kind.WRITE),
    Command("zrevrank", zrevrank, 3, Kind.READ),
    Command("zscore", zscore, 3, Kind.READ),
]

"""Commands on ranges of sorted sets: by rank, by score, by member."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from enum import Enum
from operator import itemgetter
from typing import NamedTuple

from quorate.services.redis.arguments import integer_argument, slice_of
from quorate.services.redis.command import TWO_KEYS, Call, Command, Handler, Kind
from quorate.services.redis.errors import SYNTAX, CommandError
from quorate.services.redis.numbers import parse_double_loosely
from quorate.services.redis.reply import bulks, integer
from quorate.services.redis.sorted_set import SortedSet
from quorate.services.redis.sorted_sets import read

Find = Callable[[SortedSet], tuple[int, int]]
"""From a sorted set to the places where a range starts and stops."""

_score_of: Callable[[tuple[float, bytes]], float] = itemgetter(0)
_member_of: Callable[[tuple[float, bytes]], bytes] = itemgetter(1)


class By(Enum):
    """What the ends of a range are compared with."""

    RANK = "rank"
    SCORE = "score"
    MEMBER = "member"


def _score_end(text: bytes) -> tuple[float, bool]:
    """The score at an end of a range, and whether it is left out."""
    is_open = text.startswith(b"(")
    score = parse_double_loosely(text[1:] if is_open else text)
    if score is None:
        raise CommandError("ERR min or max is not a float")
    return score, is_open


def score_range(low: bytes, high: bytes) -> Find:
    """The members with scores from *low* to *high*."""
    (first, first_open), (last, last_open) = _score_end(low), _score_end(high)

    def find(members: SortedSet) -> tuple[int, int]:
        start = (bisect_right if first_open else bisect_left)(members.ordered, first, key=_score_of)
        stop = (bisect_left if last_open else bisect_right)(members.ordered, last, key=_score_of)
        return start, max(start, stop)

    return find


def _member_end(text: bytes) -> tuple[int, bytes, bool]:
    """An end of a range of members: -1 below all, 1 above all, 0 at a member, which may be left out."""
    match text[:1], text[1:]:
        case b"-", b"":
            return -1, b"", False
        case b"+", b"":
            return 1, b"", False
        case b"[", member:
            return 0, member, False
        case b"(", member:
            return 0, member, True
    raise CommandError("ERR min or max not valid string range item")


def member_range(low: bytes, high: bytes) -> Find:
    """The members from *low* to *high*, in a sorted set all of whose scores are equal."""
    first, last = _member_end(low), _member_end(high)

    def find(members: SortedSet) -> tuple[int, int]:
        def place(end: tuple[int, bytes, bool], behind: bool) -> int:
            side, member, _ = end
            if side:
                return len(members) if side > 0 else 0
            return (bisect_right if behind else bisect_left)(members.ordered, member, key=_member_of)

        start = place(first, first[2])
        return start, max(start, place(last, not last[2]))

    return find


def rank_range(low: bytes, high: bytes, reverse: bool = False) -> Find:
    """The members at ranks from *low* to *high*, counted from the other end when reversed."""
    first, last = integer_argument(low), integer_argument(high)

    def find(members: SortedSet) -> tuple[int, int]:
        start, stop = slice_of(first, last, len(members))
        return (len(members) - stop, len(members) - start) if reverse else (start, stop)

    return find


class _Range(NamedTuple):
    """What a range command asks for."""

    find: Find
    reverse: bool
    offset: int
    limit: int
    with_scores: bool

    def select(self, members: SortedSet) -> list[tuple[float, bytes]]:
        """The members of the range in the order asked for."""
        start, stop = self.find(members)
        if self.offset < 0:
            return []
        count = stop - start - self.offset
        if self.limit >= 0:
            count = min(count, self.limit)
        if count <= 0:
            return []
        if not self.reverse:
            return members.ordered[start + self.offset : start + self.offset + count]
        end = stop - self.offset
        return members.ordered[end - count : end][::-1]


_LIMIT_NEEDS_BY = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
_NO_SCORES_BY_MEMBER = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"


def _parse(ends: list[bytes], options: list[bytes], by: By | None, reverse: bool | None, store: bool) -> _Range:
    """A range from its two ends and the options; *by* and *reverse* may be fixed by the command's name."""
    chosen_by, chosen_reverse = by, reverse
    offset, limit, with_scores = 0, -1, False
    rest = iter(range(len(options)))
    for place in rest:
        match options[place].upper():
            case b"WITHSCORES" if not store:
                with_scores = True
            case b"LIMIT" if len(options) - place > 2:
                offset, limit = integer_argument(options[place + 1]), integer_argument(options[place + 2])
                next(rest)
                next(rest)
            case b"REV" if chosen_reverse is None:
                chosen_reverse = True
            case b"BYSCORE" if chosen_by is None:
                chosen_by = By.SCORE
            case b"BYLEX" if chosen_by is None:
                chosen_by = By.MEMBER
            case _:
                raise CommandError(SYNTAX)
    if limit != -1 and chosen_by in (None, By.RANK):
        raise CommandError(_LIMIT_NEEDS_BY)
    if with_scores and chosen_by is By.MEMBER:
        raise CommandError(_NO_SCORES_BY_MEMBER)
    return _Range(_finder(ends, chosen_by, bool(chosen_reverse)), bool(chosen_reverse), offset, limit, with_scores)


def _finder(ends: list[bytes], by: By | None, reverse: bool) -> Find:
    if by in (None, By.RANK):
        return rank_range(ends[0], ends[1], reverse)
    low, high = reversed(ends) if reverse else ends
    return score_range(low, high) if by is By.SCORE else member_range(low, high)


def _range(by: By | None = None, reverse: bool | None = None) -> Handler:
    def range_(call: Call, arguments: list[bytes]) -> bytes:
        """Give the members of a range."""
        asked = _parse(arguments[2:4], arguments[4:], by, reverse, store=False)
        selected = asked.select(read(call, arguments[1]))
        if asked.with_scores:
            return call.dialect.scored(selected)
        return bulks([member for _, member in selected])

    return range_


def zrangestore(call: Call, arguments: list[bytes]) -> bytes:
    """ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]"""
    asked = _parse(arguments[3:5], arguments[5:], None, None, store=True)
    selected = asked.select(read(call, arguments[2]))
    store(call, arguments[1], [(member, score) for score, member in selected])
    return integer(len(selected))


def store(call: Call, key: bytes, members: list[tuple[bytes, float]]) -> None:
    """Put members under a key, or remove the key when there are none."""
    if members:
        call.database.put(key, SortedSet(members))
    elif call.database.find(key) is not None:
        call.database.delete(key)


def _count(finder: Callable[[bytes, bytes], Find]) -> Handler:
    def count(call: Call, arguments: list[bytes]) -> bytes:
        """Count the members of a range."""
        start, stop = finder(arguments[2], arguments[3])(read(call, arguments[1]))
        return integer(stop - start)

    return count


def _remove(finder: Callable[[bytes, bytes], Find]) -> Handler:
    def remove(call: Call, arguments: list[bytes]) -> bytes:
        """Remove the members of a range."""
        key = arguments[1]
        start, stop = finder(arguments[2], arguments[3])(read(call, key))
        if stop > start:
            members = call.database.change_or_create(key, SortedSet)
            members.remove_range(start, stop)
            call.database.delete_if_empty(key, members)
        return integer(stop - start)

    return remove


COMMANDS: list[Command] = [
    Command("zcount", _count(score_range), 4, Kind.READ),
    Command("zlexcount", _count(member_range), 4, Kind.READ),
    Command("zrange", _range(), -4, Kind.READ),
    Command("zrangebylex", _range(By.MEMBER, False), -4, Kind.READ),
    Command("zrangebyscore", _range(By.SCORE, False), -4, Kind.READ),
    Command("zrangestore", zrangestore, -5, Kind.WRITE, TWO_KEYS),
    Command("zremrangebylex", _remove(member_range), 4, Kind.WRITE),
    Command("zremrangebyrank", _remove(rank_range), 4, Kind.WRITE),
    Command("zremrangebyscore", _remove(score_range), 4, Kind.WRITE),
    Command("zrevrange", _range(By.RANK, True), -4, Kind.READ),
    Command("zrevrangebylex", _range(By.MEMBER, True), -4, Kind.READ),
    Command("zrevrangebyscore", _range(By.SCORE, True), -4, Kind.READ),
]

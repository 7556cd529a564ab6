"""Commands on lists: deques, whose ends are fast and whose middle takes time linear in the distance to an end."""

from __future__ import annotations

from collections import deque
from itertools import islice

from quorate.services.redis.arguments import integer_argument, positive_argument, slice_of
from quorate.services.redis.command import TWO_KEYS, Call, Command, Handler, Kind
from quorate.services.redis.errors import INDEX_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX, CommandError, wrong_arity
from quorate.services.redis.reply import EMPTY_ARRAY, OK, ZERO, bulk, bulks, integer
from quorate.services.redis.values import List


def _read(call: Call, key: bytes) -> List:
    """The list to look at, an empty one when the key is absent."""
    return call.database.read(key, deque) or deque()


def between(values: List, start: int, stop: int) -> list[bytes]:
    """The elements from *start* to before *stop*, reached from the nearer end."""
    if start <= len(values) - stop:
        return list(islice(values, start, stop))
    found = list(islice(reversed(values), len(values) - stop, len(values) - start))
    found.reverse()
    return found


def lpush(call: Call, arguments: list[bytes]) -> bytes:
    """LPUSH key element [element ...]"""
    values = call.database.change_or_create(arguments[1], deque)
    values.extendleft(arguments[2:])
    return integer(len(values))


def rpush(call: Call, arguments: list[bytes]) -> bytes:
    """RPUSH key element [element ...]"""
    values = call.database.change_or_create(arguments[1], deque)
    values.extend(arguments[2:])
    return integer(len(values))


def lpushx(call: Call, arguments: list[bytes]) -> bytes:
    """LPUSHX key element [element ...]"""
    return lpush(call, arguments) if _read(call, arguments[1]) else ZERO


def rpushx(call: Call, arguments: list[bytes]) -> bytes:
    """RPUSHX key element [element ...]"""
    return rpush(call, arguments) if _read(call, arguments[1]) else ZERO


def _pop(name: str, from_left: bool) -> Handler:
    def pop(call: Call, arguments: list[bytes]) -> bytes:
        """Take one element, or a number of them, from an end."""
        if len(arguments) > 3:
            raise wrong_arity(name)
        key = arguments[1]
        wanted = positive_argument(arguments[2]) if len(arguments) == 3 else None
        present = call.database.read(key, deque)
        if present is None:
            return call.dialect.null if wanted is None else call.dialect.null_array
        if wanted == 0:
            return EMPTY_ARRAY
        from_end = present if from_left else reversed(present)
        taken = list(islice(from_end, 1 if wanted is None else wanted))
        reply = bulk(taken[0]) if wanted is None else bulks(taken)  # refused when too large, with nothing taken yet
        values: List = call.database.change(key, deque) or deque()
        take = values.popleft if from_left else values.pop
        for _ in taken:
            take()
        call.database.delete_if_empty(key, values)
        return reply

    return pop


def lrange(call: Call, arguments: list[bytes]) -> bytes:
    """LRANGE key start stop"""
    first, last = integer_argument(arguments[2]), integer_argument(arguments[3])
    values = _read(call, arguments[1])
    return bulks(between(values, *slice_of(first, last, len(values))))


def llen(call: Call, arguments: list[bytes]) -> bytes:
    """LLEN key"""
    return integer(len(_read(call, arguments[1])))


def lindex(call: Call, arguments: list[bytes]) -> bytes:
    """LINDEX key index"""
    values = call.database.read(arguments[1], deque)
    if values is None:
        return call.dialect.null
    index = integer_argument(arguments[2])
    return bulk(values[index]) if -len(values) <= index < len(values) else call.dialect.null


def lset(call: Call, arguments: list[bytes]) -> bytes:
    """LSET key index element"""
    _, key, place, element = arguments
    present = call.database.read(key, deque)
    if present is None:
        raise CommandError(NO_SUCH_KEY)
    index = integer_argument(place)
    if not -len(present) <= index < len(present):
        raise CommandError(INDEX_OUT_OF_RANGE)
    call.database.change_or_create(key, deque)[index] = element
    return OK


def linsert(call: Call, arguments: list[bytes]) -> bytes:
    """LINSERT key BEFORE | AFTER pivot element"""
    _, key, where, pivot, element = arguments
    if where.upper() not in (b"BEFORE", b"AFTER"):
        raise CommandError(SYNTAX)
    present = call.database.read(key, deque)
    if present is None:
        return ZERO
    if pivot not in present:
        return integer(-1)
    values = call.database.change_or_create(key, deque)
    values.insert(values.index(pivot) + (where.upper() == b"AFTER"), element)
    return integer(len(values))


def lrem(call: Call, arguments: list[bytes]) -> bytes:
    """LREM key count element"""
    _, key, number, element = arguments
    count = integer_argument(number)
    found = _read(call, key).count(element)
    if not found:
        return ZERO
    removed = min(found, abs(count)) if count else found
    values = call.database.change_or_create(key, deque)
    # From the head the first ones go, from the tail the last ones: then the others stay from the head on.
    kept_before = found - removed if count < 0 else 0
    kept: List = deque()
    seen = 0
    for value in values:
        if value == element:
            seen += 1
            if kept_before < seen <= kept_before + removed:
                continue
        kept.append(value)
    values.clear()
    values.extend(kept)
    call.database.delete_if_empty(key, values)
    return integer(removed)


def ltrim(call: Call, arguments: list[bytes]) -> bytes:
    """LTRIM key start stop"""
    key = arguments[1]
    first, last = integer_argument(arguments[2]), integer_argument(arguments[3])
    present = call.database.read(key, deque)
    if present is None:
        return OK
    start, stop = slice_of(first, last, len(present))
    if stop - start < len(present):
        values = call.database.change_or_create(key, deque)
        for _ in range(len(values) - stop):
            values.pop()
        for _ in range(start):
            values.popleft()
        call.database.delete_if_empty(key, values)
    return OK


def lpos(call: Call, arguments: list[bytes]) -> bytes:
    """LPOS key element [RANK rank] [COUNT matches] [MAXLEN length]"""
    _, key, element, *rest = arguments
    rank, count, longest = _lpos_options(rest)
    values = _read(call, key)
    from_tail = rank < 0
    searched = reversed(values) if from_tail else iter(values)
    found: list[int] = []
    skipped = 0
    for place, value in enumerate(islice(searched, longest or None)):
        if value != element:
            continue
        skipped += 1
        if skipped >= abs(rank):
            found.append(len(values) - 1 - place if from_tail else place)
            if len(found) == (1 if count is None else count):
                break
    if count is None:
        return integer(found[0]) if found else call.dialect.null
    return b"*%d\r\n" % len(found) + b"".join(map(integer, found))


def _lpos_options(arguments: list[bytes]) -> tuple[int, int | None, int]:
    """The rank, the count (None: there is none) and the number of elements to look at (0: all)."""
    rank, count, longest = 1, None, 0
    for name, value in zip(arguments[::2], [*arguments[1::2], None], strict=False):
        match name.upper(), value:
            case b"RANK", bytes():
                rank = integer_argument(value)
                if rank == 0:
                    raise CommandError(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                        "or use negative to start from the end of the list"
                    )
            case b"COUNT", bytes():
                count = positive_argument(value, "ERR COUNT can't be negative")
            case b"MAXLEN", bytes():
                longest = positive_argument(value, "ERR MAXLEN can't be negative")
            case _:
                raise CommandError(SYNTAX)
    return rank, count, longest


def _move(call: Call, source: bytes, target: bytes, from_left: bool, to_left: bool) -> bytes:
    """Take an element from an end of one list and put it at an end of another, or of the same."""
    if call.database.read(source, deque) is None:
        return call.dialect.null
    call.database.read(target, deque)  # refuse a target of another kind before anything changes
    values: List = call.database.change(source, deque) or deque()
    element = values.popleft() if from_left else values.pop()
    destination = call.database.change_or_create(target, deque)
    if to_left:
        destination.appendleft(element)
    else:
        destination.append(element)
    call.database.delete_if_empty(source, values)
    return bulk(element)


def lmove(call: Call, arguments: list[bytes]) -> bytes:
    """LMOVE source destination LEFT | RIGHT LEFT | RIGHT"""
    _, source, target, *ends = arguments
    if any(end.upper() not in (b"LEFT", b"RIGHT") for end in ends):
        raise CommandError(SYNTAX)
    from_left, to_left = (end.upper() == b"LEFT" for end in ends)
    return _move(call, source, target, from_left, to_left)


def rpoplpush(call: Call, arguments: list[bytes]) -> bytes:
    """RPOPLPUSH source destination"""
    return _move(call, arguments[1], arguments[2], from_left=False, to_left=True)


COMMANDS: list[Command] = [
    Command("lindex", lindex, 3, Kind.READ),
    Command("linsert", linsert, 5, Kind.WRITE),
    Command("llen", llen, 2, Kind.READ),
    Command("lmove", lmove, 5, Kind.WRITE, TWO_KEYS),
    Command("lpop", _pop("lpop", from_left=True), -2, Kind.WRITE),
    Command("lpos", lpos, -3, Kind.READ),
    Command("lpush", lpush, -3, Kind.WRITE),
    Command("lpushx", lpushx, -3, Kind.WRITE),
    Command("lrange", lrange, 4, Kind.READ),
    Command("lrem", lrem, 4, Kind.WRITE),
    Command("lset", lset, 4, Kind.WRITE),
    Command("ltrim", ltrim, 4, Kind.WRITE),
    Command("rpop", _pop("rpop", from_left=False), -2, Kind.WRITE),
    Command("rpoplpush", rpoplpush, 3, Kind.WRITE, TWO_KEYS),
    Command("rpush", rpush, -3, Kind.WRITE),
    Command("rpushx", rpushx, -3, Kind.WRITE),
]

"""Commands on sets, and their algebra. Every order comes from the sets' own, so it is equal at all replicas."""

from __future__ import annotations

from collections.abc import Callable

from quorate.services.redis.arguments import positive_argument, range_argument
from quorate.services.redis.command import ALL_KEYS, TWO_KEYS, Call, Command, Handler, Keys, Kind
from quorate.services.redis.errors import SYNTAX, CommandError
from quorate.services.redis.numbers import INTEGER_MAX, parse_integer
from quorate.services.redis.reply import EMPTY_ARRAY, ONE, ZERO, bulk, bulks, integer, integers
from quorate.services.redis.values import MemberSet

_EMPTY = MemberSet()


def _read(call: Call, key: bytes) -> MemberSet:
    """The set to look at, an empty one when the key is absent."""
    return call.database.read(key, MemberSet) or _EMPTY


def sadd(call: Call, arguments: list[bytes]) -> bytes:
    """SADD key member [member ...]"""
    key = arguments[1]
    present = _read(call, key)
    if all(member in present for member in arguments[2:]):
        return ZERO
    members = call.database.change_or_create(key, MemberSet)
    return integer(sum(map(members.add, arguments[2:])))


def srem(call: Call, arguments: list[bytes]) -> bytes:
    """SREM key member [member ...]"""
    key = arguments[1]
    present = _read(call, key)
    if not any(member in present for member in arguments[2:]):
        return ZERO
    members = call.database.change_or_create(key, MemberSet)
    removed = sum(map(members.remove, arguments[2:]))
    call.database.delete_if_empty(key, members)
    return integer(removed)


def smembers(call: Call, arguments: list[bytes]) -> bytes:
    """SMEMBERS key"""
    return call.dialect.set(_read(call, arguments[1]).members)


def sismember(call: Call, arguments: list[bytes]) -> bytes:
    """SISMEMBER key member"""
    return ONE if arguments[2] in _read(call, arguments[1]) else ZERO


def smismember(call: Call, arguments: list[bytes]) -> bytes:
    """SMISMEMBER key member [member ...]"""
    members = _read(call, arguments[1])
    return integers(member in members for member in arguments[2:])


def scard(call: Call, arguments: list[bytes]) -> bytes:
    """SCARD key"""
    return integer(len(_read(call, arguments[1])))


def smove(call: Call, arguments: list[bytes]) -> bytes:
    """SMOVE source destination member"""
    _, source, target, member = arguments
    present = call.database.read(source, MemberSet)
    if present is None:
        return ZERO
    there = _read(call, target)
    if source == target or member not in present:
        return ONE if member in present else ZERO
    if member not in there:
        call.database.change_or_create(target, MemberSet).add(member)
    srem(call, [b"", source, member])
    return ONE


def spop(call: Call, arguments: list[bytes]) -> bytes:
    """SPOP key [count]"""
    if len(arguments) > 3:
        raise CommandError(SYNTAX)
    key = arguments[1]
    count = positive_argument(arguments[2]) if len(arguments) == 3 else None
    present = _read(call, key)
    if count == 0 or not present:
        return call.dialect.null if count is None else call.dialect.set([])
    taken = [present.members[place] for place in call.choices.places(len(present), 1 if count is None else count)]
    reply = bulk(taken[0]) if count is None else call.dialect.set(taken)
    members = call.database.change_or_create(key, MemberSet)
    for member in taken:
        members.remove(member)
    call.database.delete_if_empty(key, members)
    return reply


def srandmember(call: Call, arguments: list[bytes]) -> bytes:
    """SRANDMEMBER key [count]"""
    if len(arguments) > 3:
        raise CommandError(SYNTAX)
    if len(arguments) == 2:
        members = _read(call, arguments[1]).members
        return bulk(members[call.choices.below(len(members))]) if members else call.dialect.null
    count = range_argument(arguments[2], -INTEGER_MAX, INTEGER_MAX)
    members = _read(call, arguments[1]).members
    if not members:
        return EMPTY_ARRAY
    return bulks([members[place] for place in call.choices.places(len(members), count)])


Algebra = Callable[[list[MemberSet]], list[bytes]]


def _intersection(sets: list[MemberSet]) -> list[bytes]:
    smallest, *others = sorted(sets, key=len)
    return [member for member in smallest.members if all(member in other for other in others)]


def _union(sets: list[MemberSet]) -> list[bytes]:
    return list(dict.fromkeys(member for each in sets for member in each.members))


def _difference(sets: list[MemberSet]) -> list[bytes]:
    first, *others = sets
    return [member for member in first.members if not any(member in other for other in others)]


def _combine(algebra: Algebra) -> Handler:
    def combine(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sets and give the members."""
        return call.dialect.set(algebra([_read(call, key) for key in arguments[1:]]))

    return combine


def _store(algebra: Algebra) -> Handler:
    def store(call: Call, arguments: list[bytes]) -> bytes:
        """Combine sets and store the members under the first key."""
        members = algebra([_read(call, key) for key in arguments[2:]])
        if members:
            call.database.put(arguments[1], MemberSet(members))
        elif call.database.find(arguments[1]) is not None:
            call.database.delete(arguments[1])
        return integer(len(members))

    return store


def sintercard(call: Call, arguments: list[bytes]) -> bytes:
    """SINTERCARD numkeys key [key ...] [LIMIT limit]"""
    number = parse_integer(arguments[1])
    if number is None or number < 1:
        raise CommandError("ERR numkeys should be greater than 0")
    if number > len(arguments) - 2:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    keys, rest = arguments[2 : 2 + number], arguments[2 + number :]
    limit = 0
    while rest:
        if rest[0].upper() != b"LIMIT" or len(rest) < 2:
            raise CommandError(SYNTAX)
        limit = positive_argument(rest[1], "ERR LIMIT can't be negative")
        rest = rest[2:]
    found = len(_intersection([_read(call, key) for key in keys]))
    return integer(min(found, limit) if limit else found)


COMMANDS: list[Command] = [
    Command("sadd", sadd, -3, Kind.WRITE),
    Command("scard", scard, 2, Kind.READ),
    Command("sdiff", _combine(_difference), -2, Kind.READ, ALL_KEYS),
    Command("sdiffstore", _store(_difference), -3, Kind.WRITE, ALL_KEYS),
    Command("sinter", _combine(_intersection), -2, Kind.READ, ALL_KEYS),
    Command("sintercard", sintercard, -3, Kind.READ, Keys()),
    Command("sinterstore", _store(_intersection), -3, Kind.WRITE, ALL_KEYS),
    Command("sismember", sismember, 3, Kind.READ),
    Command("smembers", smembers, 2, Kind.READ),
    Command("smismember", smismember, -3, Kind.READ),
    Command("smove", smove, 4, Kind.WRITE, TWO_KEYS),
    Command("spop", spop, -2, Kind.WRITE | Kind.UNSTEADY),
    Command("srandmember", srandmember, -2, Kind.READ | Kind.UNSTEADY),
    Command("srem", srem, -3, Kind.WRITE),
    Command("sunion", _combine(_union), -2, Kind.READ, ALL_KEYS),
    Command("sunionstore", _store(_union), -3, Kind.WRITE, ALL_KEYS),
]

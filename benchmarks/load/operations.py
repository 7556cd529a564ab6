"""The operations of the load: SET or GET of keys, round them or at random."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import DEFAULT_OPERATIONS, VALUE_BYTES, Operations

VALUE = b"v" * VALUE_BYTES
OK = b"+OK\r\n"
"""What a Redis answers to SET."""
_PREPARED_MAX = 10_000
"""Operations are made beforehand for so many keys; for more they are put together as they are sent."""
_SEED = 7


def keys(operations: Operations = DEFAULT_OPERATIONS) -> list[bytes]:
    """All keys, in the order of their use."""
    return [_key(number) for number in range(operations.keys)]


def _key(number: int) -> bytes:
    return b"key:%012d" % number


def redis_command(operations: Operations, key: bytes) -> bytes:
    """What is done to a key, as a Redis client sends it."""
    if operations.is_read:
        return b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)
    return redis_set(key, b"v" * operations.value_bytes)


def redis_set(key: bytes, value: bytes) -> bytes:
    """SET, as a Redis client sends it."""
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


def redis_commands(operations: Operations = DEFAULT_OPERATIONS) -> list[bytes]:
    """What is done to each key."""
    return [redis_command(operations, key) for key in keys(operations)]


def answer_to(operations: Operations) -> bytes:
    """What a Redis answers to each, once the keys are filled."""
    return b"$%d\r\n%b\r\n" % (operations.value_bytes, b"v" * operations.value_bytes) if operations.is_read else OK


def quorate_operation(operations: Operations, key: bytes) -> bytes:
    """What is done to a key, as the Redis gateway has it ordered."""
    from quorate.services.redis import Pipeline, encode_operation

    return encode_operation(Pipeline(0, 2, redis_command(operations, key)))


def maker(operations: Operations) -> Callable[[int], bytes]:
    """Makes the operation with a number, as Quorate and the unreplicated service take it."""
    if operations.is_random or operations.keys > _PREPARED_MAX:
        return _composer(operations)
    prepared = [quorate_operation(operations, key) for key in keys(operations)]
    return lambda number: prepared[number % len(prepared)]


def _composer(operations: Operations) -> Callable[[int], bytes]:
    """Puts the key, which has always the same length, between what comes before and after it."""
    before, _, after = quorate_operation(operations, _key(0)).partition(_key(0))
    draw, count = random.Random(_SEED), operations.keys

    def compose(number: int) -> bytes:
        chosen = int(draw.random() * count) if operations.is_random else number % count
        return b"%bkey:%012d%b" % (before, chosen, after)

    return compose


def refuse_others(operations: Operations) -> None:
    """For peers that are measured with the default operations only."""
    if operations != DEFAULT_OPERATIONS:
        raise MeasurementFailed("its client knows only SETs of the default keys and values")

"""The operations of the load, made before it starts: SET of a key to a value, round the keys."""

from __future__ import annotations

from benchmarks.plan import KEYS, VALUE_BYTES

VALUE = b"v" * VALUE_BYTES
OK = b"+OK\r\n"
"""What a Redis answers to SET."""


def keys() -> list[bytes]:
    """All keys, in the order of their use."""
    return [b"key:%012d" % number for number in range(KEYS)]


def redis_commands() -> list[bytes]:
    """SET of each key, as a Redis client sends it."""
    return [redis_set(key, VALUE) for key in keys()]


def quorate_operations() -> list[bytes]:
    """SET of each key, as the Redis gateway has it ordered."""
    from quorate.services.redis import Pipeline, encode_operation

    return [encode_operation(Pipeline(0, 2, command)) for command in redis_commands()]


def redis_set(key: bytes, value: bytes) -> bytes:
    """SET, as a Redis client sends it."""
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)

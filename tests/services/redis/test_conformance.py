"""The Redis service is fit to be replicated."""

from __future__ import annotations

import random

from quorate.services.conformance import Step, assert_conforms
from quorate.services.redis import Pipeline, Transaction, Versions, encode_operation

_SHAPES = """
SET {k} {v}
SET {k} {v} PX 40
GET {k}
INCR {n}
INCRBYFLOAT {n} 0.1
APPEND {k} {v}
DEL {k}
RENAME {k} {k}
EXPIRE {k} 100
PEXPIRE {k} 9
HSET h{k} {v} {v}
HDEL h{k} {v}
HGETALL h{k}
HINCRBY h{k} {n} 2
HRANDFIELD h{k} 2
RPUSH l{k} {v} {v}
LPOP l{k}
LRANGE l{k} 0 -1
SADD s{k} {v} {v}
SREM s{k} {v}
SMEMBERS s{k}
SPOP s{k}
SRANDMEMBER s{k} -3
SUNIONSTORE s{k} s{k} s{k}
SINTER s{k} s{k}
ZADD z{k} {n} {v}
ZINCRBY z{k} 1.5 {v}
ZRANGE z{k} 0 -1 WITHSCORES
ZPOPMIN z{k}
ZUNIONSTORE z{k} 2 z{k} s{k}
ZRANDMEMBER z{k} 2
KEYS *
SCAN 0
RANDOMKEY
DBSIZE
TIME
INFO
LPUSH {k} x
COPY h{k} h{k} REPLACE
LMOVE l{k} l{k} LEFT RIGHT
SELECT 2
FLUSHDB
TTL {k}
"""


def _operations(count: int) -> list[Step]:
    source = random.Random(11)
    shapes = _SHAPES.strip().splitlines()

    def command() -> bytes:
        words = [
            word.format(k=source.choice("abc"), v=f"v{source.randrange(40)}", n=source.randrange(9)).encode()
            for word in source.choice(shapes).split()
        ]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)

    def operation() -> Pipeline | Transaction | Versions:
        commands = b"".join(command() for _ in range(source.randrange(1, 5)))
        match source.randrange(8):
            case 0:
                return Transaction(source.randrange(3), 2, commands, [])
            case 1:
                return Versions([(0, b"a"), (0, b"ha"), (2, b"sb")])
            case _:
                return Pipeline(source.choice([0, 0, 0, 2]), source.choice([2, 3]), commands)

    return [Step(encode_operation(operation()), source.randrange(1, 20_000)) for _ in range(count)]


def test_the_redis_service_conforms() -> None:
    """Pipelines of all families in two processes, with time, chance, deadlines, transactions and versions."""
    assert_conforms("quorate.services.redis:RedisService", _operations(600), checkpoint_interval=100)

"""Which operations a service is tried with: its own, or those of a built-in service."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from quorate.errors import ConfigurationError
from quorate.services.loading import load_service
from quorate.services.redis import Pipeline, Transaction, encode_command, encode_operation
from quorate.sim.plan import ClientPlan

Sampler = Callable[[Random], bytes]
"""Draws one operation."""

METHOD: Final = "sample_operation"
_REDIS: Final = (
    *("SET k v", "SET k v PX 50", "GET k", "DEL k", "APPEND k v", "STRLEN k", "INCRBY n 3", "GETSET k v"),
    *("LPUSH l v", "RPUSH l v", "LPOP l", "RPOP l", "LRANGE l 0 -1", "SADD s v", "SREM s v", "SMEMBERS s", "SPOP s"),
    *("HSET h v v", "HDEL h v", "HGETALL h", "ZADD z 2 v", "ZINCRBY z 1 v", "ZRANGE z 0 -1", "ZPOPMIN z"),
    *("PEXPIRE l 20", "TTL l", "EXPIRE h 1", "PERSIST h", "RENAME k c", "TYPE k", "DBSIZE", "RANDOMKEY", "SCAN 0"),
)
"""Commands of every type, with expiry and chance; `v` stands for one of a few values."""


def sampler_of(name: str) -> Sampler:
    """What draws operations of the service of that name. Raises ConfigurationError."""
    service = load_service(name)
    sample = getattr(service, METHOD, None) or _BUILT_IN.get(name)
    if not callable(sample):
        raise ConfigurationError(
            f"service {name!r} does not say which operations it is to be tried with: give it a method "
            f"{METHOD}(self, random) that returns one operation as bytes, drawn with that random.Random"
        )
    drawn = sample(Random(0))
    if not isinstance(drawn, bytes):
        raise ConfigurationError(f"service {name!r}: {METHOD} returned {type(drawn).__name__}; an operation is bytes")
    return sample


class Samples:
    """The operations of one client of a service."""

    def __init__(self, sample: Sampler, plan: ClientPlan, random: Random, only_reads: Callable[[bytes], bool]) -> None:
        self._sample = sample
        self.only_reads = only_reads
        """Whether an operation changes nothing, as the service says."""
        self._most = plan.operations_max
        self._random = random

    def next_request(self) -> tuple[bytes, ...]:
        """The operations of the next request."""
        return tuple(self._sample(self._random) for _ in range(self._random.randint(1, self._most)))

    def learn(self, operations: tuple[bytes, ...], results: tuple[bytes | None, ...]) -> None:
        """Results mean nothing here: only the service knows what they say."""


def _sample_counter(random: Random) -> bytes:
    return random.choice((b"get", b"add %d" % random.randint(-9, 9), b"add many"))


def _sample_redis(random: Random) -> bytes:
    commands = b"".join(_command(random) for _ in range(random.choice((1, 1, 3))))
    if random.random() < 0.2:
        return encode_operation(Transaction(0, 2, commands, []))
    return encode_operation(Pipeline(0, 2, commands))


def _command(random: Random) -> bytes:
    words = random.choice(_REDIS).split()
    value = random.choice(("a", "b", "c", "10"))
    return encode_command([(value if word == "v" else word).encode() for word in words])


_BUILT_IN: Final[dict[str, Sampler]] = {"counter": _sample_counter, "redis": _sample_redis}

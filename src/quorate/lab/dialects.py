"""The registers of the workload, on the service that the cluster happens to replicate.

Operations and results are those of `sim.register`, whose specification the linearizability checker knows. With Redis a
`swap` is what any client of Redis does for a compare-and-set: WATCH, GET, and MULTI with SET.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from quorate.errors import ConfigurationError, RequestFailed
from quorate.services.redis.operation import (
    Pipeline,
    Transaction,
    Versions,
    Watched,
    decode_versions,
    encode_command,
    encode_operation,
)
from quorate.sim.register import ABSENT, DONE, REFUSED

REGISTER_SERVICE: Final = "quorate.sim.register:RegisterService"
Invoke = Callable[[bytes], Awaitable[bytes]]
_NULL_ARRAY: Final = b"*-1\r\n"
_END: Final = b"\r\n"


class Dialect(Protocol):
    """How registers are spoken to."""

    async def perform(self, invoke: Invoke, operation: bytes) -> bytes:
        """Have one operation on a register executed; its result as the specification words it."""

    def encode(self, operation: bytes) -> bytes:
        """The service's operation for a write or an append, for a client that does not wait for results."""

    async def forget(self, invoke: Invoke, keys: Sequence[bytes]) -> None:
        """Remove registers that nobody needs any more, where that can be done."""


def dialect_of(service: str) -> Dialect:
    """The dialect of a service. Raises ConfigurationError where it has none."""
    if service == "redis":
        return RedisStrings()
    if service == REGISTER_SERVICE:
        return Registers()
    raise ConfigurationError(
        f"the workload of an attack needs redis or {REGISTER_SERVICE}, and this cluster replicates {service}: "
        "start another with `quorate up --lab --dir` and a new folder"
    )


class Registers:
    """The service of the simulator: it knows the operations themselves."""

    async def perform(self, invoke: Invoke, operation: bytes) -> bytes:
        """As it is."""
        return await invoke(operation)

    def encode(self, operation: bytes) -> bytes:
        """As it is."""
        return operation

    async def forget(self, invoke: Invoke, keys: Sequence[bytes]) -> None:
        """Registers stay."""


class RedisStrings:
    """Redis strings: GET, SET, APPEND, and a transaction on a watched key."""

    async def perform(self, invoke: Invoke, operation: bytes) -> bytes:
        """Translate, and translate back."""
        verb, key, *words = operation.split(b" ")
        if verb == b"swap":
            return await self._swap(invoke, key, *words)
        result = await invoke(self.encode(operation))
        if verb == b"write":
            _expect(result == b"+OK\r\n", result)
            return DONE
        return _bulk(result.partition(_END)[2] if verb == b"append" else result)

    def encode(self, operation: bytes) -> bytes:
        """A pipeline: an append is followed by what tells the new value."""
        verb, key, *words = operation.split(b" ")
        commands = {
            b"read": ([b"GET", key],),
            b"write": ([b"SET", key, *words],),
            b"append": ([b"APPEND", key, *words], [b"GET", key]),
        }[verb]
        return encode_operation(Pipeline(0, 2, b"".join(map(encode_command, commands))))

    async def forget(self, invoke: Invoke, keys: Sequence[bytes]) -> None:
        """DEL."""
        await invoke(encode_operation(Pipeline(0, 2, encode_command([b"DEL", *keys]))))

    async def _swap(self, invoke: Invoke, key: bytes, old: bytes, new: bytes) -> bytes:
        while True:
            [version] = decode_versions(await invoke(encode_operation(Versions([(0, key)]))))
            if await self.perform(invoke, b"read " + key) != old:
                return REFUSED
            setting = Transaction(0, 2, encode_command([b"SET", key, new]), [Watched(0, key, version)])
            result = await invoke(encode_operation(setting))
            if result != _NULL_ARRAY:
                _expect(result == b"*1\r\n+OK\r\n", result)
                return DONE


def _bulk(reply: bytes) -> bytes:
    """The string that a reply holds; ABSENT for none."""
    head, _, rest = reply.partition(_END)
    if head == b"$-1":
        return ABSENT
    _expect(head.startswith(b"$") and rest.endswith(_END), reply)
    return rest.removesuffix(_END)


def _expect(holds: bool, reply: bytes) -> None:
    if not holds:
        raise RequestFailed(f"the service answered {reply[:80]!r}")

"""Callers in front of the Redis engine, without a cluster: an honest one is found right, one that loses, repeats or
halves what it is asked for is found out. Both doors are used."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from random import Random
from typing import Any, cast

import pytest

from quorate.client.aio import AsyncClient
from quorate.core.ports import Context
from quorate.errors import RequestFailed, RequestTimeout
from quorate.gateways.resp import serve_redis
from quorate.lab.chaos import workload as workload_module
from quorate.lab.chaos.doors import DirectDoor, Door, GatewayDoor, Unreached, read_reply
from quorate.lab.chaos.judge import final_values, wrong_in
from quorate.lab.chaos.workload import Workload
from quorate.services.redis import RedisService
from quorate.services.redis.operation import Transaction, decode_operation

LOOPBACK = "127.0.0.1"
DEEDS = 400


class Engine:
    """Executes at once, or as a fault wants it."""

    def __init__(self, fault: str = "", share: float = 0.05) -> None:
        self.fault = fault
        self.share = share
        self.is_over = False
        """The faults, when the end is read."""
        self._service = RedisService()
        self._number = 0
        self._random = Random(3)

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """For the gateway."""
        return asyncio.ensure_future(self.invoke(operation, timeout))

    async def invoke(self, operation: bytes, timeout: float | None = None) -> bytes:
        """For the library's door."""
        await asyncio.sleep(self._random.random() * 0.002)
        strikes = self.fault if self._random.random() < self.share and not self.is_over else ""
        if strikes == "timeout before":
            raise RequestTimeout("no reply")
        if strikes == "forget" and b"SET" in operation:
            return b"*1\r\n+OK\r\n" if isinstance(decode_operation(operation), Transaction) else b"+OK\r\n"
        if strikes == "twice":
            self._execute(operation)
        result = self._execute(operation)
        if strikes == "timeout after":
            raise RequestTimeout("no reply")
        await asyncio.sleep(self._random.random() * 0.002)
        return result

    def _execute(self, operation: bytes) -> bytes:
        self._number += 1
        now = time.time_ns() // 1000 + self._number
        return self._service.execute(operation, Context(b"c" * 32, now, self._number.to_bytes(32, "big"), self._number))


async def work(engine: Engine) -> tuple[Workload, list[str]]:
    """Let six callers work, read everything at the end, and judge."""
    async with AsyncExitStack() as stack:
        server = await serve_redis(engine, LOOPBACK, 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        doors: dict[str, Door] = {}
        for caller in range(3):
            doors[f"direct {caller}"] = DirectDoor(cast(AsyncClient, engine), 5.0)
            doors[f"gateway {caller}"] = GatewayDoor(LOOPBACK, server.address[1], 5.0)
            stack.push_async_callback(doors[f"gateway {caller}"].close)
        workload = Workload(doors, seed=1)
        workload.start()
        while len(workload.deeds) < DEEDS:
            await asyncio.sleep(0.01)
        assert await workload.all_served_since(0, 5.0, doors)
        await workload.stop(5.0)
        engine.is_over = True
        await workload.read_all()
        return workload, wrong_in(workload.deeds, final_values(workload.deeds))


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload_module, "_THINK_SECONDS", 0.001)


def test_an_honest_service_is_found_right() -> None:
    workload, problems = asyncio.run(work(Engine()))

    assert problems == []
    assert all(deed.returned is not None for deed in workload.deeds)
    verbs = {deed.operation.split(" ")[0] for deed in workload.deeds}
    assert verbs == {"read", "write", "swap", "append", "add"}
    swaps = {deed.result for deed in workload.deeds if deed.operation.startswith("swap ")}
    assert swaps == {"ok", "no"}
    assert any(deed.balances and any(deed.balances) for deed in workload.deeds)
    assert {deed.key.split("-")[0] for deed in workload.deeds} == {"register", "log", "counter", "ledger"}
    assert final_values(workload.deeds).keys() == {deed.key for deed in workload.deeds}


@pytest.mark.parametrize("fault", ["timeout before", "timeout after"])
def test_what_nobody_knows_of_may_have_happened_or_not(fault: str) -> None:
    workload, problems = asyncio.run(work(Engine(fault)))

    assert problems == []
    assert any(deed.returned is None and deed.failure for deed in workload.deeds)


def test_a_service_that_executes_twice_is_found_out() -> None:
    _, problems = asyncio.run(work(Engine("twice", 0.5)))

    assert any("was executed 2 times" in problem for problem in problems)
    assert any("counter-" in problem and "was executed 2 times" in problem for problem in problems)


def test_a_service_that_forgets_writes_is_found_out() -> None:
    _, problems = asyncio.run(work(Engine("forget", 0.5)))

    assert any("register-" in problem and "no linearization" in problem for problem in problems)


def reply_of(data: bytes) -> Any:
    async def read() -> Any:
        stream = asyncio.StreamReader()
        stream.feed_data(data)
        stream.feed_eof()
        return await read_reply(stream)

    return asyncio.run(read())


def test_replies_are_read() -> None:
    assert reply_of(b"+OK\r\n") == b"OK"
    assert reply_of(b":-7\r\n") == -7
    assert reply_of(b"$4\r\na\r\nb\r\n") == b"a\r\nb"
    assert reply_of(b"$-1\r\n") is None
    assert reply_of(b"*2\r\n:1\r\n*-1\r\n") == [1, None]


def test_an_error_or_nonsense_is_a_failure() -> None:
    for data in (b"-TIMEOUT outcome unknown\r\n", b"*1\r\n-ERR no\r\n", b"?\r\n"):
        with pytest.raises(RequestFailed):
            reply_of(data)
    with pytest.raises(EOFError):
        reply_of(b"$4\r\nab")


def test_where_nobody_listens_nothing_was_asked() -> None:
    async def ask() -> None:
        server = await asyncio.start_server(lambda *_: None, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(Unreached):
            await GatewayDoor(LOOPBACK, port, 5.0).run([b"GET", b"x"])

    asyncio.run(ask())

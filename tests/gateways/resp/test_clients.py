"""Real clients against the gateway: redis-py in all its forms, redis-benchmark."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

PATIENCE = 60.0


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def client(gateway: Any, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A redis-py client."""
    with redis.Redis(port=gateway.port, protocol=request.param, client_name="tester", db=3) as client:
        yield client


def test_redis_py(client: redis.Redis) -> None:
    assert client.ping()
    assert client.set("key", b"\0\r\n" * 1000)
    assert client.get("key") == b"\0\r\n" * 1000
    assert client.client_getname() in (b"tester", "tester")
    assert [row["db"] for row in client.client_list() if row["name"] == "tester"] == ["3"]
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("key")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("BLPOP", "key", 0)


def test_redis_py_pipeline(client: redis.Redis) -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.set(f"key:{number}", number)
        pipeline.get(f"key:{number}")

    results = pipeline.execute()

    assert results[1::2] == [b"%d" % number for number in range(5000)]


def test_redis_py_transaction_retries_when_a_watched_key_changes(client: redis.Redis) -> None:
    client.set("counter", 1)
    interferences = [5, 7]

    def double(pipeline: Any) -> None:
        value = int(pipeline.get("counter"))
        if interferences:
            client.set("counter", interferences.pop(0))
        pipeline.multi()
        pipeline.set("counter", 2 * value)

    assert client.transaction(double, "counter") == [True]
    assert client.get("counter") == b"14"


def test_redis_py_asyncio(gateway: Any) -> None:
    async def increment(client: Any) -> None:
        for _ in range(20):
            await client.incr("counter")

    async def main() -> None:
        client = redis.asyncio.Redis(port=gateway.port, protocol=3, max_connections=50)
        await asyncio.gather(*(increment(client) for _ in range(50)))
        assert await client.get("counter") == b"1000"
        await client.aclose()

    asyncio.run(main())


def benchmark(port: int, *options: str) -> list[str]:
    """The lines of a run of redis-benchmark, which must end well."""
    command = ["/usr/bin/redis-benchmark", "-p", str(port), "--csv", *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ERR" not in run.stdout + run.stderr
    return run.stdout.splitlines()


def test_redis_benchmark_with_pipelines(gateway: Any) -> None:
    report = benchmark(gateway.port, "-t", "set,get,incr", "-P", "16", "-n", "10000", "-r", "1000", "-d", "300")

    assert [line.split(",")[0] for line in report[1:]] == ['"SET"', '"GET"', '"INCR"']


def test_redis_benchmark_default_tests(gateway: Any) -> None:
    report = benchmark(gateway.port, "-n", "2000")

    assert len(report) > 18

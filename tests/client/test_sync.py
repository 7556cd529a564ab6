"""The blocking client. The cluster of fakes runs in a thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import pytest

from quorate.client.aio import ClusterUnreachable
from quorate.client.sync import Client, connect_sync
from quorate.errors import ConfigurationError, OperationFailed, RequestFailed, RequestTimeout


@pytest.fixture
def running_cluster(fake_cluster: Any) -> Iterator[Any]:
    started, stop = Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with fake_cluster() as cluster:
            found.extend([cluster, asyncio.get_running_loop()])
            started.set()
            await stop.wait()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield found[0]
    found[1].call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client(running_cluster: Any) -> Iterator[Client]:
    with connect_sync(running_cluster.path) as client:
        yield client


def test_a_blocking_call_returns_the_result(client: Client) -> None:
    assert client.invoke(b"a") == b"done a"
    assert client.inspect(3) == {"id": 3}


def test_many_threads_share_a_client(client: Client) -> None:
    operations = [b"%d" % number for number in range(64)]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(client.invoke, operations))

    assert results == [b"done " + operation for operation in operations]


def test_what_is_not_bytes_is_the_mistake_of_its_caller_alone(client: Client) -> None:
    operations: list[Any] = [b"%d" % number for number in range(32)]
    operations[16] = "16"
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(client.invoke, operation) for operation in operations]
    with pytest.raises(TypeError, match="an operation is bytes, not str: encode it"):
        calls.pop(16).result()
    assert [call.result() for call in calls] == [b"done %d" % number for number in range(32) if number != 16]


def test_failures_reach_the_caller(client: Client, running_cluster: Any) -> None:
    with pytest.raises(OperationFailed):
        client.invoke(b"fail")
    for replica in running_cluster.replicas:
        replica.twist = lambda reply: None
    with pytest.raises(RequestTimeout):
        client.invoke(b"a", timeout=0.05)


def test_closing_ends_the_calls_of_other_threads(running_cluster: Any) -> None:
    for replica in running_cluster.replicas:
        replica.twist = lambda reply: None
    client = connect_sync(running_cluster.path)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.invoke, b"a", None)
        while not running_cluster.replicas[0].requests:
            pass
        client.close()
        with pytest.raises(RequestFailed, match="the client was closed"):
            call.result(10)
    client.close()
    with pytest.raises(RequestFailed, match="the client is closed"):
        client.invoke(b"b")


def test_a_cluster_that_is_down_is_an_error_of_connecting(fake_cluster: Any, run: Any, tmp_path: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster:
            await cluster.stop()
            with pytest.raises(ClusterUnreachable, match="start the replicas"):
                await asyncio.to_thread(connect_sync, cluster.path, wait_seconds=0.2)
        with pytest.raises(ConfigurationError):
            await asyncio.to_thread(connect_sync, tmp_path / "nowhere")

    run(scenario())

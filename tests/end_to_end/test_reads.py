"""GETs through the gateway are answered without being ordered, and are right while replicas die, or lie about them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from end_to_end.calling import Caller, assert_linearizable, await_progress
from quorate.lab.control import Lie, Told, ask, tell

pytestmark = pytest.mark.processes

READS = 300


def start_callers(callers: list[Caller], cluster: Any) -> None:
    """The gateway's callers only read, so that it has nothing to order; others write."""
    callers.extend(Caller(f"reader-{index}", "reads", str(cluster.redis_port)) for index in range(3))
    callers.extend(Caller(f"writer-{index}", "direct", str(cluster.directory / "client")) for index in range(2))


def test_what_only_reads_is_not_ordered(start_cluster: Any) -> None:
    cluster = start_cluster().wait_until_up()
    with cluster.redis() as client:
        assert client.set("key", "value")
        before = max(replica["last_executed"] for replica in cluster.status()["replicas"])
        for _ in range(READS):
            assert client.get("key") == b"value"
        with client.pipeline(transaction=False) as pipeline:
            pipeline.get("key").mget("key", "other").exists("key")
            assert pipeline.execute() == [b"value", [b"value", None], 1]
    after = max(replica["last_executed"] for replica in cluster.status()["replicas"])
    assert after - before < READS // 10  # a few may be late on a busy machine, and are ordered then


def test_reads_are_right_while_the_primary_is_killed(start_cluster: Any, helpers: Any, callers: list[Caller]) -> None:
    cluster = start_cluster().wait_until_up()
    start_callers(callers, cluster)
    await_progress(callers, helpers)

    cluster.kill_replica(0)
    await_progress(callers, helpers)

    assert cluster.line(r"view \d+: replica \d is the primary")
    assert_linearizable(callers)


def test_a_replica_that_lies_about_reads_gets_nothing_past_the_gateway(
    start_cluster: Any, helpers: Any, callers: list[Caller]
) -> None:
    cluster = start_cluster("--lab").wait_until_up()
    start_callers(callers, cluster)
    await_progress(callers, helpers)

    liar = cluster.directory / "replica-2"
    asyncio.run(ask(liar, Lie(("stale-answers",), seed=7)))
    await_progress(callers, helpers)

    told: Told | None = asyncio.run(tell(liar))
    assert told is not None
    assert (told.lies, told.failure) == (("stale-answers",), "")
    assert_linearizable(callers)

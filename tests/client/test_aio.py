"""The asynchronous client against a cluster of fakes, over real links."""

from __future__ import annotations

from quorate.client.aio import connect


def test_an_operation_has_the_result_that_the_replicas_vouch_for(fake_cluster, run) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            assert await client.invoke(b"a") == b"done a"

    run(scenario())

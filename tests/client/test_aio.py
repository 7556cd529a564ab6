"""The asynchronous client against a cluster of fakes, over real links."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.aio import AsyncClient, ClusterUnreachable, connect
from quorate.client.waiting import ClientLimits
from quorate.config import ClientEntry, Settings
from quorate.errors import (
    ConfigurationError,
    OperationFailed,
    RequestFailed,
    RequestRefused,
    RequestTimeout,
)
from quorate.messages.protocol import Outcome, Reply

QUICK = Settings(view_change_timeout_ms=100)
"""Retransmission after 25 ms."""


def silent(reply: Reply) -> None:
    return None


def lying(reply: Reply) -> Reply:
    return replace(reply, results=(b"lie",) * len(reply.results), view=2**40)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_an_operation_has_the_result_that_the_replicas_vouch_for(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            assert await client.invoke(b"a") == b"done a"
            assert await client.submit(b"") == b"done "

    run(scenario())


@pytest.mark.parametrize("replica_count", [1, 4, 7])
@pytest.mark.parametrize("twist", [silent, lying])
def test_f_faulty_replicas_change_nothing(fake_cluster: Any, run: Any, replica_count: int, twist: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(replica_count, QUICK) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas[: (replica_count - 1) // 3]:
                replica.twist = twist
                replica.relay = []
            for number in range(5):
                assert await client.invoke(b"%d" % number) == b"done %d" % number
            assert cluster.replicas[-1].executed == [b"%d" % number for number in range(5)]

    run(scenario())


def test_a_reply_that_is_not_authentic_counts_for_nothing(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas[:2]:
                wrong_key = KeyPair(b"w" * 32)
                replica.sealer = ReplicaAuthenticator(replica.replica_id, wrong_key, cluster.configuration)
                replica.twist = lying

            assert await client.invoke(b"a") == b"done a"
            assert client.counters["AuthenticationFailed"] >= 2

    run(scenario())


def test_garbage_from_a_replica_counts_for_nothing(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            await until(lambda: cluster.replicas[0].links)
            cluster.replicas[0].links[0].send(b"garbage")
            await until(lambda: "MalformedMessage" in client.counters)

            assert await client.invoke(b"a") == b"done a"

    run(scenario())


def test_operations_of_one_turn_share_a_request(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            results = await asyncio.gather(*(client.invoke(b"%d" % number) for number in range(50)))

            assert results == [b"done %d" % number for number in range(50)]
            sizes = [len(request.operations) for request in cluster.replicas[0].requests if request.operations]
            assert sizes[0] == 50

    run(scenario())


def test_what_waits_meanwhile_shares_the_next_request(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path, sessions=1) as client:
            first = client.submit(b"first")
            await until(lambda: client.waiting_operations == 0)
            rest = [client.submit(b"%d" % number) for number in range(20)]
            await asyncio.gather(first, *rest)

            operations = {request.operations for request in cluster.replicas[0].requests}
            assert operations == {(), (b"first",), tuple(b"%d" % number for number in range(20))}

    run(scenario())


def test_several_sessions_have_requests_under_way_at_once(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path, sessions=3) as client:
            for replica in cluster.replicas:
                replica.twist = lambda reply: reply if reply.session == 0 else None
            for operation in (b"a", b"b", b"c"):
                client.submit(operation)
                await until(lambda asked=(operation,): asked in [r.operations for r in cluster.replicas[0].requests])

            fourth = client.submit(b"d")
            await asyncio.sleep(0)
            assert client.waiting_operations == 1
            fourth.cancel()

            requests = cluster.replicas[0].requests
            assert len({request.session for request in requests} - {0}) == 3

    run(scenario())


def test_a_request_is_no_larger_than_the_replicas_take(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        settings = Settings(request_bytes_max=2048)
        async with fake_cluster(settings=settings) as cluster, connect(cluster.path) as client:
            await asyncio.gather(*(client.invoke(b"%100d" % number) for number in range(60)))

            assert len(cluster.replicas[3].executed) in (0, 60)
            assert all(sum(map(len, request.operations)) < 2048 for request in cluster.replicas[0].requests)
            with pytest.raises(RequestRefused, match="the operation has 2048 bytes"):
                await client.invoke(bytes(2048))

    run(scenario())


def test_a_service_that_failed_fails_its_operation_alone(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            good, bad = client.submit(b"good"), client.submit(b"fail")

            assert await good == b"done good"
            with pytest.raises(OperationFailed):
                await bad

    run(scenario())


def test_a_full_queue_refuses(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster:
            limits = ClientLimits(waiting_operations_max=2, waiting_bytes_max=100)
            client = AsyncClient(cluster.key_pair, cluster.configuration, limits)
            one, two, three = (client.submit(b"%d" % number) for number in range(3))

            with pytest.raises(RequestRefused, match="2 operations wait already"):
                await three
            assert [await one, await two] == [b"done 0", b"done 1"]
            with pytest.raises(RequestRefused, match="bytes of operations wait already"):
                await asyncio.gather(client.submit(bytes(80)), client.submit(bytes(80)))
            client.close()
            await client.wait_closed()

    run(scenario())


def test_an_operation_times_out_and_the_next_one_works(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster, connect(cluster.path, sessions=1) as client:
            for replica in cluster.replicas:
                replica.twist = silent
            sent = client.submit(b"sent", timeout=0.05)
            await until(lambda: client.waiting_operations == 0)
            not_sent = client.submit(b"not sent", timeout=0.01)

            with pytest.raises(RequestTimeout, match="could not be sent in time"):
                await not_sent
            with pytest.raises(RequestTimeout, match="may still be executed"):
                await sent
            for replica in cluster.replicas:
                replica.twist = lambda reply: reply
            assert await client.invoke(b"next") == b"done next"
            assert b"not sent" not in cluster.replicas[0].executed

    run(scenario())


def test_a_request_that_timed_out_is_not_repeated(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist = silent
            with pytest.raises(RequestTimeout):
                await client.invoke(b"a", timeout=0.02)

            assert client._coalescer._lanes[0].session.is_idle
            assert client._coalescer._lanes[0].session.next_deadline() is None

    run(scenario())


def test_each_caller_gets_an_error_of_its_own(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist = silent
            calls = [client.invoke(b"%d" % number, timeout=0.02) for number in range(2)]
            one, other = await asyncio.gather(*calls, return_exceptions=True)

            assert str(one) == str(other)
            assert one is not other

    run(scenario())


def test_a_client_has_at_least_one_session(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster:
            with pytest.raises(ValueError, match="at least one session"):
                async with connect(cluster.path, sessions=0):
                    pass

    run(scenario())


def test_a_request_that_nobody_waits_for_makes_way(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster, connect(cluster.path, sessions=1) as client:
            for replica in cluster.replicas:
                replica.twist = silent
            future = client.submit(b"abandoned")
            await until(lambda: cluster.replicas[0].requests)
            future.cancel()
            for replica in cluster.replicas:
                replica.twist = lambda reply: reply

            assert await client.invoke(b"next") == b"done next"

    run(scenario())


def test_a_cancelled_operation_is_not_sent(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            client.submit(b"cancelled").cancel()
            assert await client.invoke(b"a") == b"done a"

            assert cluster.replicas[0].executed == [b"a"]

    run(scenario())


def test_when_the_primary_dies_all_are_asked_at_once(fake_cluster: Any, run: Any) -> None:
    """No retransmission timer is waited for: with the default settings it would be."""

    async def scenario() -> None:
        slow = Settings(view_change_timeout_ms=3_600_000, view_change_timeout_max_ms=3_600_000)
        async with fake_cluster(settings=slow) as cluster, connect(cluster.path) as client:
            await until(lambda: len(client.connected) == 4)
            cluster.replicas[0].twist = silent
            cluster.replicas[0].relay = []
            future = client.submit(b"a")
            await until(lambda: cluster.replicas[0].requests)
            await cluster.replicas[0].stop()

            assert await future == b"done a"
            assert await client.invoke(b"b") == b"done b"

    run(scenario())


def test_sep_4_a_large_request_that_cannot_be_sent_to_the_primary_comes_twice(fake_cluster: Any, run: Any) -> None:
    """A backup passes a large request on when it comes again (SEP-4). With these settings no timer sends it again."""
    large = b"x" * 20_000

    async def scenario() -> None:
        slow = Settings(view_change_timeout_ms=3_600_000, view_change_timeout_max_ms=3_600_000)
        async with fake_cluster(settings=slow) as cluster, connect(cluster.path) as client:
            await until(lambda: len(client.connected) == 4)
            await client.invoke(b"a")
            for replica in cluster.replicas:
                replica.relay = []
                replica.requests.clear()
                replica.twist = silent
            await cluster.stop_some(0)
            for link in list(cluster.replicas[0].links):
                link.close("test")
            await until(lambda: 0 not in client.connected)
            future = client.submit(large)
            await until(lambda: len(cluster.replicas[1].requests) == 2)

            assert [request.operations for request in cluster.replicas[1].requests] == [(large,), (large,)]
            future.cancel()

    run(scenario())


def test_the_client_follows_the_primary(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            await until(lambda: len(client.connected) == 4)
            await client.invoke(b"a")
            for replica in cluster.replicas:
                replica.view = 6
            await client.invoke(b"b")
            for replica in cluster.replicas:
                replica.relay = []
                replica.requests.clear()
            client.submit(b"c")
            await until(lambda: any(replica.requests for replica in cluster.replicas))

            asked = [replica.replica_id for replica in cluster.replicas if replica.requests]
            assert asked == [2]

    run(scenario())


def test_a_closed_session_fails_what_was_under_way_and_is_replaced(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path, sessions=1) as client:
            await client.invoke(b"a")
            session = cluster.replicas[0].requests[-1].session
            for replica in cluster.replicas:
                replica.closed_sessions.add(session)

            with pytest.raises(RequestRefused, match="outcome unknown"):
                await client.invoke(b"b")
            assert await client.invoke(b"c") == b"done c"

    run(scenario())


def test_a_client_that_is_denied_is_told(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist = lambda reply: replace(reply, outcome=Outcome.DENIED, results=())

            with pytest.raises(RequestRefused, match=cluster.key_pair.public_key.hex()):
                await client.invoke(b"a")

    run(scenario())


def test_connecting_to_nobody_says_who_is_missing_and_what_to_do(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster:
            await cluster.stop_some(1, 2, 3)
            missing = f"replica 2 at 127.0.0.1:{cluster.port(2)}: Connection refused"

            with pytest.raises(ClusterUnreachable, match=r"1 of the 2 replicas .*start the replicas") as unreachable:
                async with connect(cluster.path, wait_seconds=0.3):
                    pass
            assert missing in str(unreachable.value)

    run(scenario())


def test_without_waiting_operations_wait_for_the_cluster(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK) as cluster:
            await cluster.stop()
            async with connect(cluster.path, wait_seconds=0) as client:
                future = client.submit(b"a", timeout=10)
                for replica in cluster.replicas:
                    await replica.start(cluster.port(replica.replica_id))

                assert await future == b"done a"

    run(scenario())


def test_a_folder_that_is_not_there_is_a_configuration_error(tmp_path: Any, run: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError):
            async with connect(tmp_path / "nowhere"):
                pass

    run(scenario())


def test_closing_fails_what_is_under_way(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster:
            async with connect(cluster.path, sessions=1) as client:
                for replica in cluster.replicas:
                    replica.twist = silent
                sent = client.submit(b"a")
                await until(lambda: cluster.replicas[0].requests)
                waiting = client.submit(b"b")
            for future in (sent, waiting):
                with pytest.raises(RequestFailed, match="the client was closed"):
                    await future
            with pytest.raises(RequestRefused, match="the client is closed"):
                await client.invoke(b"c")

    run(scenario())


class TestInspect:
    def test_a_replica_reports_on_itself(self, fake_cluster: Any, run: Any) -> None:
        async def scenario() -> None:
            async with fake_cluster() as cluster, connect(cluster.path) as client:
                reports = await asyncio.gather(*(client.inspect(replica_id) for replica_id in range(4)))

                assert reports == [{"id": replica_id} for replica_id in range(4)]

        run(scenario())

    def test_a_replica_that_is_down_is_named(self, fake_cluster: Any, run: Any) -> None:
        async def scenario() -> None:
            async with fake_cluster() as cluster:
                await cluster.stop_some(2)
                async with connect(cluster.path) as client:
                    where = f"replica 2 at 127.0.0.1:{cluster.port(2)}"
                    with pytest.raises(RequestTimeout, match=f"from {where}: Connection refused"):
                        await client.inspect(2, timeout=0.2)

        run(scenario())

    @pytest.mark.parametrize("report", [b"[1]", b"{", b"\xff", b"[" * 100_000])
    def test_a_report_that_is_none_is_an_error(self, fake_cluster: Any, run: Any, report: bytes) -> None:
        async def scenario() -> None:
            async with fake_cluster() as cluster, connect(cluster.path) as client:
                cluster.replicas[1].report = report
                with pytest.raises(RequestFailed, match="replica 1 sent a report that is no JSON object"):
                    await client.inspect(1)

        run(scenario())

    def test_there_are_only_so_many_replicas(self, fake_cluster: Any, run: Any) -> None:
        async def scenario() -> None:
            async with fake_cluster() as cluster, connect(cluster.path) as client:
                with pytest.raises(RequestRefused, match="no replica 4"):
                    await client.inspect(4)

        run(scenario())


@pytest.mark.parametrize("operation", ["text", 7, None, [b"a"]])
def test_what_is_not_bytes_fails_alone(fake_cluster: Any, run: Any, operation: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            before = client.submit(b"before")
            with pytest.raises(TypeError, match=f"an operation is bytes, not {type(operation).__name__}: "):
                client.submit(operation)
            with pytest.raises(TypeError, match="an operation is bytes"):
                await client.invoke(operation)
            after = client.submit(b"after")

            assert await asyncio.gather(before, after) == [b"done before", b"done after"]

    run(scenario())


def test_an_operation_is_what_it_was_when_it_was_submitted(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster() as cluster, connect(cluster.path) as client:
            buffer = bytearray(b"abcd")
            results = [client.submit(buffer), client.submit(memoryview(buffer)[1:3])]
            buffer[:] = b"----"

            assert await asyncio.gather(*results) == [b"done abcd", b"done bc"]

    run(scenario())


def test_a_view_of_wide_elements_is_measured_in_bytes(fake_cluster: Any, run: Any) -> None:
    """Its length counts elements, of which it has fewer."""

    async def scenario() -> None:
        async with fake_cluster(settings=Settings(request_bytes_max=4096)) as cluster, connect(cluster.path) as client:
            before = client.submit(b"before")
            too_large = client.submit(memoryview(bytes(8192)).cast("Q"))
            after = client.submit(b"after")

            with pytest.raises(RequestRefused, match="the operation has 8192 bytes"):
                await too_large
            assert await asyncio.gather(before, after) == [b"done before", b"done after"]

    run(scenario())


def test_processes_that_share_a_key_and_start_at_once_have_sessions_of_their_own(
    fake_cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One and the same microsecond for all: an opening that says no more would be answered with one session."""
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)

    async def scenario() -> None:
        async with fake_cluster() as cluster:
            for number in range(8):
                async with connect(cluster.path, sessions=1) as client:
                    assert await client.invoke(b"%d" % number) == b"done %d" % number

            openings = {request.timestamp for request in cluster.replicas[0].requests if not request.operations}
            sessions = {request.session for request in cluster.replicas[0].requests if request.operations}
            assert (len(openings), len(sessions)) == (8, 8)

    run(scenario())


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"incarnation": "0" * 32}, "older than the cluster's last new start: copy it from a replica's folder"),
        ({"cluster_id": "0" * 32}, "is of another cluster, or older"),
        ({}, "the replicas do not know this client's key"),
    ],
)
def test_a_client_that_the_replicas_refuse_is_told_what_to_do(
    fake_cluster: Any, run: Any, change: dict[str, str], remedy: str
) -> None:
    """Its folder is a copy that was made before the cluster was started anew, or of another one."""

    async def scenario() -> None:
        async with fake_cluster() as cluster:
            stranger = KeyPair(b"s" * 32)
            clients = (*cluster.configuration.clients, ClientEntry("stranger", stranger.public_key.hex()))
            configuration = replace(cluster.configuration, clients=clients, **change)
            key_pair = cluster.key_pair if change else stranger
            client = AsyncClient(key_pair, configuration)
            try:
                with pytest.raises(ClusterUnreachable, match=remedy):
                    await client.wait_connected(0.5)
                with pytest.raises(RequestTimeout, match=remedy):
                    await client.inspect(0, 0.1)
                with pytest.raises(RequestTimeout, match=remedy):
                    await client.invoke(b"a", 0.1)
            finally:
                client.close()
                await client.wait_closed()

    run(scenario())

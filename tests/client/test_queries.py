"""The asynchronous and the blocking client ask for what only reads without having it ordered."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from quorate import AsyncClient, connect, connect_sync
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client import coalescer, queries
from quorate.client.queries import READS_MAX
from quorate.client.session import first_interval_of
from quorate.client.waiting import CLOSED, ClientLimits
from quorate.client.worth import PAUSE_MAX
from quorate.config import Settings
from quorate.errors import RequestFailed, RequestRefused, RequestTimeout
from quorate.messages.protocol import Reply
from quorate.messages.reads import READ_OPERATIONS_MAX, Answer, ReadReply
from quorate.net.alarm import MICROSECONDS

SLOW = Settings(view_change_timeout_ms=3_600_000, view_change_timeout_max_ms=3_600_000)
"""Nothing is sent again, and no READ is given up, within a test."""
QUICK = Settings(view_change_timeout_ms=100)


def lying(reply: ReadReply) -> ReadReply:
    return replace(reply, answers=tuple(Answer(b"a lie", 0) for _ in reply.answers))


def silent(reply: ReadReply | Reply) -> None:
    return None


def test_what_only_reads_is_not_ordered(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            assert await client.query(b"get x") == b"got get x"
            assert await client.submit(b"get y", only_reads=True) == b"got get y"
            assert [replica.executed for replica in cluster.replicas] == [[]] * 4
            assert [read.operations for read in cluster.replicas[3].reads] == [(b"get x",), (b"get y",)]

    run(scenario())


def test_what_is_asked_at_once_shares_a_read(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            results = await asyncio.gather(*(client.query(b"get %d" % number) for number in range(500)))
            assert results == [b"got get %d" % number for number in range(500)]
            assert len(cluster.replicas[0].reads) == 1

    run(scenario())


def test_what_is_more_than_a_read_has_goes_into_the_next(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            await asyncio.gather(*(client.query(b"get x") for _ in range(READ_OPERATIONS_MAX + 1)))
            assert [len(read.operations) for read in cluster.replicas[0].reads] == [READ_OPERATIONS_MAX, 1]

    run(scenario())


def test_callers_that_come_back_one_a_turn_share_the_next_read(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            await asyncio.gather(*(client.query(b"get x") for _ in range(8)))
            futures = []
            for _ in range(8):
                futures.append(client.submit(b"get y", only_reads=True))
                await asyncio.sleep(0)
            await asyncio.gather(*futures)
            await client.query(b"get z")
            assert [len(read.operations) for read in cluster.replicas[0].reads] == [8, 8, 1]

    run(scenario())


def test_what_reads_goes_along_with_what_changes_something(
    fake_cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coalescer, "_STALLED_MICROSECONDS", 3_600_000_000)

    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            await client.invoke(b"change x")
            assert await client.query(b"get x") == b"got get x"
            changing = client.submit(b"change y")
            assert await client.query(b"get y") == b"done get y"
            assert await changing == b"done change y"
            assert await client.query(b"get z") == b"got get z"
            ordered = dict.fromkeys(request.operations for request in cluster.replicas[0].requests)
            assert list(ordered) == [(), (b"change x",), (b"change y", b"get y")]

    run(scenario())


def test_what_reads_does_not_wait_for_changes_that_do_not_get_on(
    fake_cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coalescer, "_STALLED_MICROSECONDS", 0)

    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            await client.invoke(b"change x")
            for replica in cluster.replicas:
                replica.twist = silent
            changing = client.submit(b"change y")
            assert await client.query(b"get y") == b"got get y"
            assert not changing.done()
            changing.cancel()

    run(scenario())


def test_what_is_not_answered_is_not_asked_for_again_at_once(
    fake_cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 5_000_000
    monkeypatch.setattr(queries, "microseconds_now", lambda: now)

    def slow(reply: ReadReply) -> ReadReply:
        nonlocal now
        now += 1000
        return reply

    async def scenario() -> None:
        nonlocal now
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist_read = slow
            asked = []
            for number in range(6):
                assert await client.query(b"declined %d" % number) == b"done declined %d" % number
                asked.append(len(cluster.replicas[0].reads))
                now += PAUSE_MAX if number == 2 else 0
            assert asked == [1, 1, 1, 2, 2, 2]

    run(scenario())


def test_where_the_path_is_off_it_is_ordered(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW) as cluster, connect(cluster.path) as client:
            assert await client.query(b"get x") == b"done get x"
            assert cluster.replicas[0].reads == []

    run(scenario())


def test_what_the_replicas_decline_is_ordered_and_the_rest_of_it_is_not(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            results = await asyncio.gather(client.query(b"get x"), client.query(b"change y"), client.query(b"get z"))
            assert results == [b"got get x", b"done change y", b"got get z"]
            assert cluster.replicas[0].executed == [b"change y"]

    run(scenario())


@pytest.mark.parametrize("twist", [silent, lying])
def test_one_faulty_replica_changes_nothing(fake_cluster: Any, run: Any, twist: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            cluster.replicas[0].twist_read = twist
            assert await client.query(b"get x") == b"got get x"
            assert cluster.replicas[1].executed == []

    run(scenario())


@pytest.mark.parametrize("twist", [silent, lying])
def test_two_faulty_replicas_have_it_ordered(fake_cluster: Any, run: Any, twist: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas[:2]:
                replica.twist_read = twist
            assert await client.query(b"get x") == b"done get x"

    run(scenario())


def test_answers_that_are_not_authentic_count_for_nothing(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=QUICK, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas[1:]:
                replica.twist_read = lying
                wrong = KeyPair(b"w" * 32)
                replica.sealer = ReplicaAuthenticator(replica.replica_id, wrong, cluster.configuration)
            with pytest.raises(RequestTimeout):
                await client.query(b"get x", timeout=0.5)
            assert client.counters["AuthenticationFailed"] >= 3

    run(scenario())


def test_nobody_waits_longer_than_asked(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist_read = silent
            with pytest.raises(RequestTimeout):
                await client.query(b"get x", timeout=0.05)
            assert cluster.replicas[0].executed == []

    run(scenario())


def hold_back(cluster: Any) -> Callable[[], None]:
    """No replica answers a READ any more, until what is returned is called."""
    held: list[tuple[Any, ReadReply]] = []
    for replica in cluster.replicas:
        replica.twist_read = lambda reply, replica=replica: held.append((replica, reply))

    def let_go() -> None:
        for replica, reply in held:
            for link in replica.links:
                link.send(replica.sealer.seal(reply))

    return let_go


def test_an_impatient_caller_does_not_have_the_others_operations_ordered(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            let_go = hold_back(cluster)
            patient = client.submit(b"get x", only_reads=True)
            with pytest.raises(RequestTimeout):
                await client.query(b"get y", timeout=0.02)
            let_go()
            assert await patient == b"got get x"
            assert [len(read.operations) for read in cluster.replicas[0].reads] == [2]

    run(scenario())


def test_nobody_waits_longer_than_asked_for_a_place_either(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            let_go = hold_back(cluster)
            asked = []
            for number in range(READS_MAX):
                asked.append(client.submit(b"get %d" % number, only_reads=True))
                await asyncio.sleep(0.05)
            with pytest.raises(RequestTimeout):
                await client.query(b"get x", timeout=0.02)
            assert client.waiting_operations == 0
            let_go()
            await asyncio.gather(*asked)

    run(scenario())


def test_a_read_that_all_have_given_up_makes_place_for_the_next(fake_cluster: Any, run: Any) -> None:
    """It has failed: for as long as it took, all is ordered."""

    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            let_go = hold_back(cluster)
            for number in range(READS_MAX):
                client.submit(b"get %d" % number, timeout=0.3, only_reads=True).add_done_callback(Future.exception)
                await asyncio.sleep(0.01)
            last = client.submit(b"get x", only_reads=True)
            while len(cluster.replicas[0].reads) <= READS_MAX:
                await asyncio.sleep(0.01)
            assert await client.query(b"get y") == b"done get y"
            let_go()
            assert await last == b"got get x"

    run(scenario())


def test_what_was_accepted_is_ordered_however_much_waits_to_be(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster:
            limits = ClientLimits(sessions=1, waiting_operations_max=2)
            client = AsyncClient(cluster.key_pair, cluster.configuration, limits)
            await client.wait_connected()
            await client.invoke(b"opens the session")
            let_go = hold_back(cluster)
            asked = [client.submit(b"declined", only_reads=True)]
            while not cluster.replicas[0].reads:
                await asyncio.sleep(0.001)
            for replica in cluster.replicas:
                replica.twist = silent
            for number in range(3):
                asked.append(client.submit(b"change %d" % number))
                await asyncio.sleep(0.01)
            assert client.waiting_operations == limits.waiting_operations_max
            let_go()
            while client.waiting_operations == limits.waiting_operations_max:
                await asyncio.sleep(0.001)
            assert not any(future.done() for future in asked)
            with pytest.raises(RequestRefused, match="wait already"):
                await client.invoke(b"one more")
            client.close()
            await client.wait_closed()
            assert all(isinstance(future.exception(), RequestFailed) for future in asked)

    run(scenario())


def test_a_few_reads_are_under_way_at_once_the_rest_waits_for_them(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            replicas = cluster.replicas
            replicas[0].twist_read = replicas[1].twist_read = silent
            asked = []
            for number in range(READS_MAX + 2):
                asked.append(asyncio.ensure_future(client.query(b"get %d" % number)))
                await asyncio.sleep(0.05)
            assert len(replicas[3].reads) == READS_MAX
            assert client.waiting_operations == 2
            for task in asked:
                assert not task.done()
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    run(scenario())


def test_a_client_that_is_closed_tells_those_who_wait(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist_read = silent
            waiting = client.submit(b"get x", only_reads=True)
            await asyncio.sleep(0.05)
            client.close()
            with pytest.raises(RequestFailed, match="before the operation was answered"):
                await waiting
            with pytest.raises(RequestRefused, match=CLOSED):
                await client.query(b"get x")

    run(scenario())


def test_a_client_that_is_closed_has_nothing_left_to_do(fake_cluster: Any, run: Any) -> None:
    problems: list[dict[str, Any]] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        settings = Settings(view_change_timeout_ms=2000)
        async with fake_cluster(settings=settings, has_read_only_path=True) as cluster, connect(cluster.path) as client:
            for replica in cluster.replicas:
                replica.twist_read = silent
            asked = [client.submit(b"get x", only_reads=True)]
            while not cluster.replicas[0].reads:
                await asyncio.sleep(0.001)
            asked.append(client.submit(b"get y", only_reads=True))
            client.close()
            for future in asked:
                with pytest.raises(RequestFailed, match="before the operation was answered"):
                    await future
            await asyncio.sleep(first_interval_of(client.configuration) / MICROSECONDS + 0.05)  # a READ is given up
            assert len(cluster.replicas[0].reads) == 1
        assert not problems

    run(scenario())


def test_the_blocking_client_queries_too(fake_cluster: Any, run: Any) -> None:
    async def scenario() -> None:
        async with fake_cluster(settings=SLOW, has_read_only_path=True) as cluster:

            def ask() -> bytes:
                with connect_sync(cluster.path) as client:
                    return client.query(b"get x")

            assert await asyncio.to_thread(ask) == b"got get x"
            assert cluster.replicas[0].executed == []

    run(scenario())

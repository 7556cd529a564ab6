"""How a cluster starts and ends: nothing is left over, nothing is started twice, an empty start is said."""

from __future__ import annotations

import signal
import socket
from typing import Any

import pytest
import redis

from quorate.cli.addresses import free_ports
from quorate.folder import load_cluster

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(start_cluster: Any, helpers: Any, number: int) -> None:
    cluster = start_cluster().wait_until_up()
    pids = cluster.all_pids()
    assert len(pids) == 5

    assert cluster.end(number) == 0
    assert [pid for pid in pids if helpers.is_alive(pid)] == []
    assert cluster.lines[-1] == "all processes have stopped"
    assert cluster.errors == []


def test_a_gateway_may_start_before_the_replicas(start_cluster: Any, helpers: Any) -> None:
    """If it is told to wait; else it ends, and names them."""
    cluster = start_cluster(with_redis=False).wait_until_up()
    assert cluster.end() == 0
    port = free_ports(1)[0]
    gateway = ("gateway", "redis", str(cluster.directory), "--listen", f"127.0.0.1:{port}", "--wait")

    gone = helpers.quorate(*gateway, "0.2")
    assert gone.returncode == 1
    assert "0 of the 3 replicas that are needed could be reached within 0.2 seconds" in gone.stderr

    patient = helpers.quorate_in_background(*gateway, "600")
    start_cluster(with_redis=False, directory=cluster.directory).wait_until_up()
    with redis.Redis(port=port) as client:
        helpers.eventually(lambda: answers(client), "a gateway that answers", 60)
    assert patient.poll() is None


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.set("greeting", "hello"))
    except redis.ConnectionError:
        return False


def test_nothing_outlives_an_up_that_is_killed(start_cluster: Any, helpers: Any) -> None:
    cluster = start_cluster().wait_until_up()
    pids = cluster.all_pids()

    cluster.end(signal.SIGKILL)

    helpers.eventually(lambda: not any(map(helpers.is_alive, pids)), "the end of all children")


def test_it_stops_while_it_starts(start_cluster: Any, helpers: Any) -> None:
    cluster = start_cluster()
    cluster.line("^made ")

    assert cluster.end(signal.SIGTERM) in (0, 1, -signal.SIGTERM)
    helpers.eventually(lambda: not any(map(helpers.is_alive, cluster.all_pids())), "the end of all children")


def test_a_second_start_of_a_cluster_in_memory_is_empty_and_says_so(start_cluster: Any, helpers: Any) -> None:
    first = start_cluster("--durability", "memory").wait_until_up()
    with first.redis() as client:
        client.set("greeting", "hello")
    before = load_cluster(first.directory).configuration.incarnation
    assert first.end() == 0

    second = start_cluster(directory=first.directory).wait_until_up()

    assert second.line(r"empty: its state was in memory and ended with its processes")
    with second.redis() as client:
        assert client.get("greeting") is None
    assert load_cluster(first.directory).configuration.incarnation != before


def test_a_replica_that_restarts_alone_recovers(start_cluster: Any, helpers: Any) -> None:
    cluster = start_cluster("--durability", "memory", with_redis=False).wait_until_up()
    cluster.kill_replica(3)
    exited = r"replica 3 exited \(killed by SIGKILL\); 3 of 4 run; the cluster tolerates 0 more"
    assert cluster.line(exited)
    alone = helpers.quorate_in_background("replica", str(cluster.directory / "replica-3"))

    helpers.eventually(lambda: cluster.status()["replicas"][3]["epoch"], "its recovery request", 60.0)
    helpers.eventually(lambda: cluster.status()["healthy"], "the end of its recovery", 60.0)

    replica = cluster.status()["replicas"][3]
    assert (replica["status"], replica["votes_lost"]) == ("normal", None)
    assert replica["low_watermark"] >= replica["epoch"] + 256
    alone.terminate()
    assert alone.wait(10) == 0


def test_a_cluster_that_was_started_by_its_replicas_is_renewed_where_its_folder_is(
    start_cluster: Any, helpers: Any
) -> None:
    """As on several machines: nobody starts it as a whole, and a second start is not empty by itself."""
    cluster = start_cluster("--service", "counter", "--durability", "memory", with_redis=False).wait_until_up()
    cluster.end()
    folders = [str(cluster.directory / f"replica-{replica_id}") for replica_id in range(4)]
    client = str(cluster.directory / "client")

    def start_replicas() -> list[Any]:
        return [helpers.quorate_in_background("replica", folder) for folder in folders]

    def all_reachable() -> bool:
        return all(replica["reachable"] for replica in cluster.status()["replicas"])

    again = start_replicas()
    helpers.eventually(all_reachable, "the replicas that were started again")
    told = helpers.quorate("status", str(cluster.directory))
    assert (told.returncode, cluster.status()["has_lost_its_votes"]) == (1, True)
    assert "run `quorate init DIR --renew`" in told.stdout
    refused = helpers.quorate("init", str(cluster.directory), "--renew")
    assert refused.returncode == 2
    assert "replica-0 runs already (pid" in refused.stderr
    for process in again:
        process.terminate()
        assert process.wait(20) == 0

    renewed = helpers.quorate("init", str(cluster.directory), "--renew")
    assert renewed.returncode == 0, renewed.stderr
    start_replicas()
    helpers.eventually(lambda: cluster.status()["healthy"], "the renewed cluster")
    assert helpers.quorate("invoke", client, "--", "add", "5").stdout == "5\n"


def test_a_taken_port_of_a_replica_is_named(start_cluster: Any, helpers: Any) -> None:
    first = start_cluster(with_redis=False).wait_until_up()
    assert first.end() == 0
    port = load_cluster(first.directory).configuration.replicas[2].port

    with socket.create_server(("127.0.0.1", port)):
        refused = helpers.quorate("up", "--dir", str(first.directory), "--no-redis")

    assert refused.returncode == 2
    assert f"replica 2 cannot listen on 127.0.0.1:{port}: it is taken by another program" in refused.stderr


def test_when_all_replicas_are_gone_it_ends(start_cluster: Any) -> None:
    cluster = start_cluster(with_redis=False).wait_until_up()

    for replica_id in range(4):
        cluster.kill_replica(replica_id)
        # Before the next is killed: it counts who runs when it tells, and may notice several ends together.
        cluster.line(rf"^replica {replica_id} exited \(killed by SIGKILL\); {3 - replica_id} of 4 run")

    assert cluster.process.wait(20) == 1
    assert cluster.line(r"1 of 4 run; it needs 3 and answers nothing until it is started anew")


def test_an_own_service_and_the_counter_work_without_redis(start_cluster: Any, helpers: Any) -> None:
    cluster = start_cluster("--service", "counter", "--replicas", "1").wait_until_up()
    client = str(cluster.directory / "client")

    assert helpers.quorate("invoke", client, "--", "add", "5").stdout == "5\n"
    assert helpers.quorate("invoke", client, "get").stdout == "5\n"
    unnamed = helpers.quorate("bench", client)
    assert unnamed.returncode == 2
    assert "--operation" in unnamed.stderr
    named = helpers.quorate("bench", client, "--operation", "add 1", "--seconds", "0.2", "--clients", "2")
    assert named.returncode == 0, named.stderr
    assert "a second" in named.stdout

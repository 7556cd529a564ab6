"""`kill -9` under load: no acknowledged write is lost or changed, and the service goes on."""

from __future__ import annotations

from typing import Any

import pytest

from end_to_end.calling import Caller, assert_linearizable, await_progress

pytestmark = pytest.mark.processes


def start_callers(callers: list[Caller], cluster: Any) -> None:
    port = str(cluster.redis_port)
    callers.extend(Caller(f"gateway-{index}", "redis", port) for index in range(3))
    callers.append(Caller("direct", "direct", str(cluster.directory / "client")))


def settled(cluster: Any) -> dict[str, Any] | None:
    """The status, once no replica is changing its view."""
    report: dict[str, Any] = cluster.status()
    return report if {replica["status"] for replica in report["replicas"]} <= {"normal", "unreachable"} else None


@pytest.mark.parametrize("replica_id", [0, 1, 2, 3])
def test_one_of_four_is_killed_under_load(
    start_cluster: Any, helpers: Any, callers: list[Caller], replica_id: int
) -> None:
    cluster = start_cluster().wait_until_up()
    start_callers(callers, cluster)
    await_progress(callers, helpers)

    cluster.kill_replica(replica_id)
    await_progress(callers, helpers)

    report = helpers.eventually(lambda: settled(cluster), "a view that all others are in")
    assert_linearizable(callers)
    reachable = [replica["reachable"] for replica in report["replicas"]]
    assert reachable == [other != replica_id for other in range(4)]
    assert (report["healthy"], report["faults_left"]) == (False, 0)
    assert cluster.line(rf"replica {replica_id} exited \(killed by SIGKILL\); 3 of 4 run; the cluster tolerates 0 more")
    if replica_id == 0:
        assert report["view"] >= 1
        assert cluster.line(r"view \d+: replica \d is the primary")


def test_two_of_seven_are_killed_the_primary_and_its_successor(
    start_cluster: Any, helpers: Any, callers: list[Caller]
) -> None:
    cluster = start_cluster("--replicas", "7").wait_until_up()
    start_callers(callers, cluster)
    await_progress(callers, helpers)

    cluster.kill_replica(0)
    cluster.kill_replica(1)
    await_progress(callers, helpers)

    report = helpers.eventually(lambda: settled(cluster), "a view that all others are in")
    assert_linearizable(callers)
    assert (report["n"], report["f"], report["faults_left"]) == (7, 2, 0)
    assert report["view"] >= 2
    # They were killed at once, and whose end is noticed first is the system's choice.
    for killed in (0, 1):
        assert cluster.line(rf"replica {killed} exited \(killed by SIGKILL\); [56] of 7 run")
    assert cluster.line(r"replica [01] exited \(killed by SIGKILL\); 5 of 7 run; the cluster tolerates 0 more")

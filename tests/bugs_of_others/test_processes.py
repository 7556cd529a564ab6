"""What needs real processes: a replica that is stopped and goes on with full queues (scenario 7)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.conftest import RunningCluster, eventually
from quorate.cli.addresses import free_ports

pytestmark = pytest.mark.processes

VALUE = b"v" * 100_000
ROUNDS, KEYS = 12, 50
"""Sixty megabytes go by the sleeper: nearly twice what its peers keep for it."""
MEGABYTE = 1 << 20


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    """Four replicas and a gateway, on free ports; everything ends with the test, whoever is stopped."""
    running = RunningCluster(tmp_path / "cluster", redis_port=free_ports(1)[0])
    try:
        yield running.wait_until_up()
    finally:
        for pid in running.pids().values():
            _send(pid, signal.SIGCONT)
        running.destroy()


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def memory_of(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


def all_well(cluster: RunningCluster) -> list[dict[str, Any]] | None:
    """The replicas' reports, once they are reachable, equally far, and none lacks anything."""
    replicas: list[dict[str, Any]] = cluster.status()["replicas"]
    far = {replica.get("last_executed") for replica in replicas}
    return replicas if len(far) == 1 and all(replica["reachable"] for replica in replicas) else None


@pytest.mark.parametrize("sleeper", [0, 2], ids=["the primary", "a backup"])
def test_scenario_7_a_stopped_replica_goes_on_with_full_queues(cluster: RunningCluster, sleeper: int) -> None:
    """bft-smart #27: a replica was stopped with SIGSTOP under load and went on later; by then its peers had run out of
    memory, or the state transfer that it began never ended. Here the others go on without it, keep no more for it than
    a bounded queue, and when it goes on it takes what is there, fetches the rest, and has executed what they have."""
    pids = cluster.pids()
    with cluster.redis(socket_timeout=60) as client:
        client.set("before", "1")
        os.kill(pids[sleeper], signal.SIGSTOP)
        for number in range(ROUNDS):
            with client.pipeline(transaction=False) as pipe:
                for key in range(KEYS):
                    pipe.set(f"key-{key}", b"%d " % number + VALUE)
                assert pipe.execute() == [True] * KEYS
        awake = {replica: memory_of(pid) for replica, pid in pids.items() if replica != sleeper}
        os.kill(pids[sleeper], signal.SIGCONT)
        client.set("after", "1")
        replicas = eventually(lambda: all_well(cluster), "all four at the same point", 60.0)
        assert client.get("key-0") == b"%d " % (ROUNDS - 1) + VALUE
    assert [replica["pid"] for replica in replicas] == [pids[number] for number in range(4)]
    assert max(awake.values()) < 500 * MEGABYTE
    assert memory_of(pids[sleeper]) < 500 * MEGABYTE

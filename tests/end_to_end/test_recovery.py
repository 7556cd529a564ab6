"""Recovery on a schedule, on real processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.addresses import free_ports
from quorate.config import Settings
from quorate.folder import create_cluster

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SETTINGS = Settings(durability="sync", checkpoint_interval=8, recovery_interval_ms=24_000, key_refresh_ms=5000)
LOOK_SECONDS = 3.0
PATIENCE_SECONDS = 150.0


def all_there(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, if all replicas answer; on a slow machine one may recover already."""
    return rows if all(row["status"] != "unreachable" for row in rows) else []


def test_all_replicas_recover_one_after_the_other(helpers: Any, tmp_path: Path) -> None:
    """The processes keep their ids, the clients notice nothing, and session keys change meanwhile."""
    addresses = [("127.0.0.1", port) for port in free_ports(4)]
    directory = create_cluster(tmp_path / "scheduled", addresses, "redis", SETTINGS).path
    for number in range(4):
        helpers.quorate_in_background("replica", str(directory / f"replica-{number}"))
    first = helpers.eventually(lambda: all_there(helpers.status(directory)["replicas"]), "the cluster", 60.0)
    pids = [row["pid"] for row in first]
    deadline = time.monotonic() + PATIENCE_SECONDS
    written = 0
    rows: list[dict[str, Any]] = []
    while not (rows and all(row["epoch"] and row["status"] == "normal" for row in rows)):
        assert time.monotonic() < deadline, rows
        time.sleep(LOOK_SECONDS)
        told = helpers.quorate("invoke", str(directory / "client"), "--", "INCR", "counter")
        assert told.returncode == 0, told.stderr
        written += 1
        rows = helpers.status(directory)["replicas"]
        assert sum(row["status"] == "recovering" for row in rows) <= 1
    assert [row["pid"] for row in rows] == pids
    assert len({row["epoch"] for row in rows}) == 4
    counted = helpers.quorate("invoke", str(directory / "client"), "--", "GET", "counter")
    assert counted.stdout.strip() == str(written)

"""Damage while a replica runs, in its memory and in its files: it is found, mended, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from end_to_end import rotting
from end_to_end.test_durability import flip, kill, start
from quorate import connect_sync
from quorate.cli.addresses import free_ports
from quorate.config import Settings
from quorate.folder import create_cluster, load_replica
from quorate.runtime.durability import storage_of
from quorate.services.redis.operation import Pipeline, encode_operation

pytestmark = pytest.mark.processes

SETTINGS = Settings(durability="sync", checkpoint_interval=4, scrub_interval_ms=20)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cluster whose service rots when it is told to."""
    monkeypatch.setenv(rotting.ROT, str(tmp_path / "rot"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    addresses = [("127.0.0.1", port) for port in free_ports(4)]
    return create_cluster(tmp_path / "scrubbed", addresses, "rotting:RottingService", SETTINGS).path


@pytest.fixture
def replicas(helpers: Any, directory: Path) -> dict[int, Any]:
    """Four processes, and some keys in stable checkpoints."""
    processes = {number: start(helpers, directory, number) for number in range(4)}
    fill(directory)
    return processes


def fill(directory: Path, name: bytes = b"key") -> None:
    """Enough for a few stable checkpoints: keys of that name."""
    with connect_sync(directory / "client", wait_seconds=200) as client:
        for number in range(20):
            command = b"*3\r\n$3\r\nSET\r\n$6\r\n%s-%02d\r\n$1\r\nx\r\n" % (name, number)
            assert client.invoke(encode_operation(Pipeline(0, 2, command)), timeout=200) == b"+OK\r\n"


def reports(directory: Path) -> list[dict[str, Any]]:
    """What the replicas say of themselves."""
    with connect_sync(directory / "client", wait_seconds=200) as client:
        return [dict(client.inspect(replica, timeout=200)) for replica in range(4)]


def are_equal(directory: Path) -> bool:
    rows = reports(directory)
    states = {(row["last_executed"], row["state_digest"], row["status"], row["needs_state"]) for row in rows}
    return len(states) == 1


def test_memory_that_rots_is_fetched_anew(
    helpers: Any, directory: Path, replicas: dict[int, Any], tmp_path: Path
) -> None:
    helpers.eventually(lambda: are_equal(directory), "equal states", 200.0)
    pid = reports(directory)[2]["pid"]
    (tmp_path / "order").write_text(f"{pid} key-07")
    (tmp_path / "order").rename(tmp_path / "rot")
    fill(directory, b"new")  # nobody writes to what rots: that would mend it, perhaps before it is found
    helpers.eventually(lambda: not (tmp_path / "rot").exists(), "replica 2 rots", 200.0)
    helpers.eventually(lambda: "STATE: " in " ".join(reports(directory)[2]["incidents"]), "replica 2 finds it", 200.0)
    helpers.eventually(lambda: are_equal(directory), "replica 2 fetches it", 200.0)
    assert [reports(directory)[other]["incidents"] for other in (0, 1, 3)] == [{}, {}, {}]


def test_files_that_rot_are_written_anew(helpers: Any, directory: Path, replicas: dict[int, Any]) -> None:
    """And so the next start finds nothing amiss."""
    folder = storage_of(load_replica(directory / "replica-3"))
    helpers.eventually(lambda: list(folder.glob("state-*.log")), "a checkpoint on disk", 200.0)
    votes, segment = folder / "votes.log", min(folder.glob("state-*.log"))
    flip(votes, 600)
    flip(segment, 5000)

    def is_found() -> bool:
        found = " ".join(reports(directory)[3]["incidents"])
        return "votes.log was damaged" in found and f"{segment.name} was damaged" in found

    helpers.eventually(is_found, "the damage of both files", 200.0)
    while segment.exists():
        fill(directory)
    kill(replicas[3])
    replicas[3] = start(helpers, directory, 3)
    fill(directory)
    helpers.eventually(lambda: are_equal(directory), "replica 3 is back", 200.0)
    assert reports(directory)[3]["incidents"] == {}

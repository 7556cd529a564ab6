"""Durable storage on real processes: what was acknowledged outlives any number of kills, and damage is never served."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from end_to_end.calling import Caller, assert_linearizable, await_progress
from quorate.cli.addresses import free_ports
from quorate.config import Settings
from quorate.folder import create_cluster, load_replica
from quorate.runtime.durability import storage_of
from quorate.storage import log_file

pytestmark = pytest.mark.processes

SETTINGS = Settings(durability="sync", checkpoint_interval=8)
"""Checkpoints every now and then, so that the tests see many."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A cluster's folder."""
    addresses = [("127.0.0.1", port) for port in free_ports(4)]
    return create_cluster(tmp_path / "durable", addresses, "redis", SETTINGS).path


@pytest.fixture
def replicas(helpers: Any, directory: Path) -> dict[int, Any]:
    """Four processes `quorate replica`, started one by one."""
    return {number: start(helpers, directory, number) for number in range(4)}


def start(helpers: Any, directory: Path, replica_id: int) -> Any:
    return helpers.quorate_in_background("replica", str(directory / f"replica-{replica_id}"), "--log-level", "error")


def status(helpers: Any, directory: Path) -> dict[str, Any]:
    report: dict[str, Any] = helpers.status(directory)
    return report


def await_recovery(helpers: Any, directory: Path) -> None:
    """Until all four take part and are not behind. One of them may be on its way to a later view: alone there, it
    executes what the others decide, and joins them at the next view change."""
    seen: list[dict[str, Any]] = []

    def has_recovered() -> bool:
        seen.append(status(helpers, directory))
        rows = seen[-1]["replicas"]
        if not all(row["status"] in ("normal", "view-change") and not row["storage_trouble"] for row in rows):
            return False
        executed = [row["last_executed"] for row in rows]
        return max(executed) - min(executed) < 4 * SETTINGS.checkpoint_interval

    try:
        helpers.eventually(has_recovered, "four replicas that take part", 60.0)
    except AssertionError:
        print(json.dumps(seen[-1], indent=1))
        raise


def await_equal_states(helpers: Any, directory: Path) -> None:
    """Until nothing is asked any more and all have come to one state."""

    def is_equal() -> bool:
        rows = status(helpers, directory)["replicas"]
        return len({(row["last_executed"], row["state_digest"]) for row in rows}) == 1

    helpers.eventually(is_equal, "equal states", 60.0)


def kill(*processes: Any) -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()


def fill(helpers: Any, directory: Path) -> None:
    """Enough for a few stable checkpoints."""
    for number in range(20):
        assert helpers.quorate("invoke", str(directory / "client"), "--", "SET", f"key-{number}", "x").returncode == 0


def test_what_was_written_is_there_after_everything_was_killed(start_cluster: Any, helpers: Any) -> None:
    first = start_cluster().wait_until_up()
    with first.redis() as client:
        for number in range(300):
            client.set(f"key-{number}", number)
    for pid in first.all_pids():
        helpers.kill(pid)
    first.end(signal.SIGKILL)

    second = start_cluster(directory=first.directory).wait_until_up()

    with second.redis() as client:
        assert [client.get(f"key-{number}") for number in range(300)] == [b"%d" % number for number in range(300)]
    assert not any("empty" in line for line in second.lines)


def test_fresh_removes_what_was_kept(start_cluster: Any) -> None:
    first = start_cluster().wait_until_up()
    with first.redis() as client:
        client.set("greeting", "hello")
    first.end()

    second = start_cluster("--fresh", directory=first.directory).wait_until_up()

    with second.redis() as client:
        assert client.get("greeting") is None
    folders = [path.name for path in (first.directory / "replica-0" / "storage").iterdir()]
    assert folders == [load_replica(first.directory / "replica-0").configuration.incarnation]


def test_who_is_let_in_and_shut_out_is_kept(
    helpers: Any, directory: Path, replicas: dict[int, Any], tmp_path: Path
) -> None:
    """Everything is killed, twice: with a change above the stable checkpoint, then with all of them below it."""
    cluster, folders = str(directory), {name: str(tmp_path / name) for name in ("early", "late", "gone")}

    def quorate(*words: str, code: int = 0) -> str:
        completed = helpers.quorate(*words)
        assert completed.returncode == code, completed.stdout + completed.stderr
        return str(completed.stdout + completed.stderr)

    def add(name: str) -> None:
        quorate("client", "add", cluster, name, "--out", folders[name], "--prefix", f"{name}:")

    def restart_all() -> None:
        kill(*replicas.values())
        replicas.update({number: start(helpers, directory, number) for number in range(4)})
        await_recovery(helpers, directory)

    def check() -> None:
        rows = json.loads(quorate("client", "list", cluster, "--json"))
        assert {row["name"]: bool(row["revoked_at"]) for row in rows} == expected
        assert quorate("invoke", folders["early"], "--", "INCR", "early:1")
        assert "NOPERM" in quorate("invoke", folders["early"], "--", "INCR", "late:1", code=1)
        assert "was revoked" in quorate("invoke", folders["gone"], "--", "INCR", "gone:1", code=1)
        assert "was revoked, for good" in quorate(
            *("client", "add", cluster, "gone", "--out", folders["gone"], "--prefix", "gone:"), code=1
        )

    await_recovery(helpers, directory)
    add("early")
    add("gone")
    quorate("client", "revoke", cluster, "gone")
    fill(helpers, directory)
    add("late")
    expected = {"client": False, "early": False, "gone": True, "late": False}
    restart_all()
    check()
    quorate("client", "revoke", cluster, "late")
    expected["late"] = True
    fill(helpers, directory)
    restart_all()
    check()
    await_equal_states(helpers, directory)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_replicas_killed_in_turn_and_all_at_once_lose_nothing(
    helpers: Any, callers: list[Caller], tmp_path: Path, durability: Any
) -> None:
    """Under load: each is killed and started again, then all at once, twice."""
    addresses = [("127.0.0.1", port) for port in free_ports(4)]
    settings = Settings(durability=durability, checkpoint_interval=8)
    directory = create_cluster(tmp_path / "durable", addresses, "redis", settings).path
    replicas = {number: start(helpers, directory, number) for number in range(4)}
    await_recovery(helpers, directory)
    callers += [Caller(f"direct-{number}", "direct", str(directory / "client")) for number in range(2)]
    await_progress(callers, helpers)

    for killed in [[0], [1], [2], [3], [0, 1, 2, 3], [0, 1, 2, 3]]:
        kill(*(replicas[number] for number in killed))
        for number in killed:
            replicas[number] = start(helpers, directory, number)
        await_recovery(helpers, directory)
        await_progress(callers, helpers)

    assert_linearizable(callers)
    await_equal_states(helpers, directory)


def test_votes_that_rotted_are_not_believed(helpers: Any, directory: Path, replicas: dict[int, Any]) -> None:
    await_recovery(helpers, directory)
    fill(helpers, directory)
    kill(replicas[2])
    votes = storage_of(load_replica(directory / "replica-2")) / "votes.log"
    flip(votes, 700)

    start(helpers, directory, 2)

    await_recovery(helpers, directory)
    row = status(helpers, directory)["replicas"][2]
    assert row["epoch"] > 0
    assert votes.with_name("votes.damaged").exists()
    fill(helpers, directory)
    await_equal_states(helpers, directory)
    kill(replicas[1])
    fill(helpers, directory)


@pytest.mark.parametrize("options", [(), pytest.param(("--clean",), marks=pytest.mark.slow)], ids=["disk", "clean"])
def test_a_replica_recovers_on_command(
    helpers: Any, directory: Path, replicas: dict[int, Any], options: tuple[str, ...]
) -> None:
    """The command refuses one that runs; afterwards the replica has a new epoch, and the group does without another."""
    await_recovery(helpers, directory)
    fill(helpers, directory)
    folder = str(directory / "replica-2")
    refused = helpers.quorate("recover", folder)
    assert refused.returncode == 2
    assert "runs already" in refused.stderr
    kill(replicas[2])

    told = helpers.quorate("recover", folder, *options)

    assert told.returncode == 0, told.stderr
    start(helpers, directory, 2)
    helpers.eventually(lambda: status(helpers, directory)["replicas"][2]["epoch"], "its recovery request")
    await_recovery(helpers, directory)
    await_equal_states(helpers, directory)
    kill(replicas[0])
    fill(helpers, directory)


def test_a_state_that_rotted_is_fetched(helpers: Any, directory: Path, replicas: dict[int, Any]) -> None:
    await_recovery(helpers, directory)
    fill(helpers, directory)
    kill(*replicas.values())
    for path in storage_of(load_replica(directory / "replica-1")).glob("state-*.log"):
        for offset in range(4200, 9000, 700):
            flip(path, offset)

    for number in range(4):
        start(helpers, directory, number)

    await_recovery(helpers, directory)
    fill(helpers, directory)
    await_equal_states(helpers, directory)


def test_a_newer_format_is_refused(
    helpers: Any, directory: Path, replicas: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await_recovery(helpers, directory)
    kill(replicas[3])
    folder = load_replica(directory / "replica-3")
    votes = storage_of(folder) / "votes.log"
    configuration = folder.configuration
    owner = log_file.Owner(
        bytes.fromhex(configuration.cluster_id), bytes.fromhex(configuration.incarnation), folder.key_pair.public_key
    )
    with monkeypatch.context() as newer:
        newer.setattr(log_file, "FORMAT", 9)
        log_file.LogFile(votes, log_file.VOTES, owner).close()

    refused = helpers.quorate("replica", str(folder.path))

    assert refused.returncode == 2
    assert f"{votes} has format 9; this version of Quorate reads format 2: use a newer version" in refused.stderr


def test_a_full_disk_stops_a_replica_and_room_lets_it_go_on(
    helpers: Any, directory: Path, replicas: dict[int, Any]
) -> None:
    """No file may grow any more: the replica says so and votes no more, the others go on; then it catches up."""
    await_recovery(helpers, directory)
    _, hard = resource.prlimit(replicas[1].pid, resource.RLIMIT_FSIZE)
    resource.prlimit(replicas[1].pid, resource.RLIMIT_FSIZE, (1024, hard))

    fill(helpers, directory)
    report = status(helpers, directory)
    votes = storage_of(load_replica(directory / "replica-1")) / "votes.log"
    assert report["replicas"][1]["storage_trouble"] == f"{votes} cannot be written: File too large"
    assert (report["healthy"], report["faults_left"]) == (False, 0)
    told = helpers.quorate("status", str(directory))
    assert f"replica 1 does not vote: {votes} cannot be written: File too large; once that is mended" in told.stdout

    resource.prlimit(replicas[1].pid, resource.RLIMIT_FSIZE, (hard, hard))
    await_recovery(helpers, directory)
    fill(helpers, directory)
    await_equal_states(helpers, directory)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))

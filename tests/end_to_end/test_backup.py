"""Backups of real processes, and clusters that are made of them (docs/BACKUP.md)."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from end_to_end.calling import Caller, await_progress
from quorate.cli.addresses import free_ports
from quorate.config import Settings
from quorate.folder import create_cluster
from quorate.lab.control import Lie, ask

pytestmark = pytest.mark.processes

SETTINGS = Settings(durability="sync", checkpoint_interval=16)


def make(path: Path, settings: Settings = SETTINGS) -> Path:
    return create_cluster(path, [("127.0.0.1", port) for port in free_ports(4)], "redis", settings).path


@pytest.fixture
def quorate(helpers: Any) -> Any:
    """Runs a command that has to end with a code; what it printed."""

    def run(*words: Any, code: int = 0) -> str:
        completed = helpers.quorate(*map(str, words), seconds=120.0)
        assert completed.returncode == code, completed.stdout + completed.stderr
        return str(completed.stdout if "--json" in words else completed.stdout + completed.stderr)

    return run


def kill_all(cluster: Any, helpers: Any) -> None:
    for pid in cluster.all_pids():
        helpers.kill(pid)
    cluster.end(signal.SIGKILL)


def digests(helpers: Any, directory: Path) -> set[tuple[int, str]]:
    rows = helpers.status(directory)["replicas"]
    return {(row["stable_checkpoint"], row["state_digest"]) for row in rows}


def test_from_a_cluster_under_load_to_a_new_one(
    start_cluster: Any, helpers: Any, quorate: Any, callers: list[Caller], tmp_path: Path
) -> None:
    """All that was acknowledged before the backup began is in the new cluster, and it goes on."""
    old, file = make(tmp_path / "old"), tmp_path / "file"
    first = start_cluster(directory=old).wait_until_up()
    callers += [Caller(name, "redis", str(first.redis_port)) for name in ("a", "b")]
    with first.redis() as client:
        for number in range(200):
            client.set(f"key-{number}", number)
    await_progress(callers, helpers)
    made = json.loads(quorate("backup", old, file, "--json"))
    assert file.stat().st_mode & 0o077 == 0
    with first.redis() as client:
        client.set("key-0", "later")
    await_progress(callers, helpers)
    kill_all(first, helpers)
    secrets = [path.read_bytes().strip() for path in old.rglob("private.key")]
    content = file.read_bytes()
    assert len(secrets) == 5
    assert not any(secret in content or bytes.fromhex(secret.decode()) in content for secret in secrets)

    verified = json.loads(quorate("verify", file, "--keys", old, "--json"))
    assert {name: verified[name] for name in ("sequence_number", "digest", "keys")} == {
        name: made[name] for name in ("sequence_number", "digest", "keys")
    }
    assert (verified["n"], verified["f"], verified["service"], made["liars"]) == (4, 1, "redis", [])
    new = tmp_path / "new"
    quorate("restore", file, new, "--keys", old / "client")
    second = start_cluster(directory=new).wait_until_up()

    assert len(digests(helpers, new)) == 1
    with second.redis() as client:
        assert [client.get(f"key-{number}") for number in range(200)] == [b"%d" % number for number in range(200)]
        for number in range(60):
            client.set(f"new-{number}", number)
        assert client.get("new-59") == b"59"
    helpers.eventually(lambda: len(digests(helpers, new)) == 1, "one state")
    assert min(number for number, _ in digests(helpers, new)) > made["sequence_number"]


def test_a_cluster_takes_its_own_backup_back(start_cluster: Any, helpers: Any, quorate: Any, tmp_path: Path) -> None:
    """In place; the same clients go on, and the folder of one stopped replica is as good a source."""
    old, file, other = make(tmp_path / "old"), tmp_path / "file", tmp_path / "other"
    first = start_cluster(directory=old).wait_until_up()
    with first.redis() as client:
        client.set("greeting", "hello")
        quorate("backup", old, file)
        client.set("greeting", "changed")
    assert "runs already" in quorate("restore", file, old, "--replace", code=2)
    assert "runs already" in quorate("backup", old / "replica-1", other, code=2)
    first.end()
    assert "--replace it" in quorate("restore", file, old, code=2)
    assert "exists; choose another name" in quorate("backup", old / "replica-1", file, code=2)
    quorate("backup", old / "replica-1", other)
    quorate("verify", other, "--keys", old)

    quorate("restore", file, old, "--replace")
    second = start_cluster(directory=old).wait_until_up()
    with second.redis() as client:
        assert client.get("greeting") == b"hello"
        client.set("greeting", "again")
    assert [row["name"] for row in json.loads(quorate("client", "list", old, "--json"))] == ["client"]
    assert "another one by now" in quorate("verify", other, "--keys", old)


def test_a_liar_does_not_get_a_byte_into_it(start_cluster: Any, helpers: Any, quorate: Any, tmp_path: Path) -> None:
    """A traitor with a replica's keys answers with garbage, exchanged nodes, or not at all."""
    cluster = start_cluster("--lab").wait_until_up()
    with cluster.redis() as client:
        for number in range(300):
            client.set(f"key-{number}", "right")
    for seed in range(2):
        asyncio.run(ask(cluster.directory / "replica-1", Lie(("wrong-bodies",), seed)))
        file = tmp_path / f"file-{seed}"
        made = json.loads(quorate("backup", cluster.directory, file, "--json"))
        assert made["keys"] == 300
        assert set(made["liars"]) <= {1}
        quorate("verify", file, "--keys", cluster.directory)


def test_who_may_not_and_what_is_wrong(shared_cluster: Any, quorate: Any, tmp_path: Path) -> None:
    cluster, file = shared_cluster.directory, tmp_path / "file"
    reader = tmp_path / "reader"
    quorate("client", "add", cluster, "reader", "--out", reader, "--read-only")
    for words in ((), ("--stable",)):
        assert "no administrator" in quorate("backup", reader, file, *words, code=1)
    assert not file.exists()
    printed = quorate("backup", cluster, file)
    fingerprint = printed.split("fingerprint")[1].split()[0]
    quorate("verify", file, "--fingerprint", fingerprint)
    assert fingerprint in quorate("verify", file, code=2)
    assert "the fingerprint of its cluster is" in quorate("verify", file, "--fingerprint", "ab", code=1)
    other = make(tmp_path / "other")
    assert "it is of the cluster" in quorate("verify", file, "--keys", other, code=1)
    assert "it is of the cluster" in quorate("restore", file, other, code=1)
    file.write_bytes(file.read_bytes()[:-40])
    assert "cut off" in quorate("verify", file, "--keys", cluster, code=1)
    assert "cut off" in quorate("restore", file, tmp_path / "new", "--keys", cluster, code=1)
    assert not (tmp_path / "new").exists()
    assert "is no backup of Quorate's" in quorate(
        "verify", cluster / "client" / "cluster.toml", "--keys", cluster, code=2
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

"""Clients are let in and shut out while the cluster runs (docs/ACCESS.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from quorate.auth.keyfile import PASSPHRASE_VARIABLE
from quorate.cli.addresses import free_ports

pytestmark = pytest.mark.processes


def test_a_client_from_its_folder_to_its_end(shared_cluster: Any, helpers: Any, tmp_path: Path) -> None:
    """It is let in at all replicas, may do what it may, and is shut out of all of them; its name is free again."""
    cluster, folder = str(shared_cluster.directory), tmp_path / "reports"

    def quorate(*words: str, code: int = 0) -> str:
        completed = helpers.quorate(*words)
        assert completed.returncode == code, completed.stdout + completed.stderr
        return str(completed.stdout + completed.stderr)

    added = ("client", "add", cluster, "reports", "--out", str(folder), "--read-only")
    assert "reports may use the cluster since sequence number" in quorate(*added)
    quorate(*added)
    assert "choose another place" in quorate(*added[:-1], code=2)
    assert "there is a client reports already" in quorate(*added[:5], str(tmp_path / "other"), code=1)
    assert not (tmp_path / "other").exists()
    assert (folder / "private.key").stat().st_mode & 0o077 == 0

    quorate("invoke", cluster, "--", "SET", "access", "yes")
    assert quorate("invoke", str(folder), "--", "GET", "access") == "yes\n"
    assert "may only read" in quorate("invoke", str(folder), "--", "SET", "access", "no", code=1)
    assert "no administrator" in quorate("client", "list", str(folder), code=1)

    rows = json.loads(quorate("client", "list", cluster, "--json"))
    assert [(row["name"], row["administrator"], row["read_only"]) for row in rows] == [
        ("client", True, False),
        ("reports", False, True),
    ]
    assert "is shut out since" in quorate("client", "revoke", cluster, rows[1]["public_key"][:16])
    assert "was revoked: an administrator" in quorate("invoke", str(folder), "--", "GET", "access", code=1)
    assert "nothing: revoked at sequence number" in quorate("client", "list", cluster)
    assert "last administrator" in quorate("client", "revoke", cluster, "client", code=1)
    assert "there is no client" in quorate("client", "revoke", cluster, "reports", code=2)
    quorate("client", "add", cluster, "reports", "--out", str(tmp_path / "again"), "--prefix", "a:")
    assert "was revoked, for good" in quorate(*added, code=1)
    assert folder.exists()


def test_with_tls_a_new_client_gets_a_certificate_and_an_encrypted_key(
    start_cluster: Any, helpers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is let in, and shut out, as without; who has not the authority is told what to do, and nothing is left."""
    cluster, folder = start_cluster("--tls", with_redis=False).wait_until_up().directory, tmp_path / "reports"
    elsewhere = (cluster / "authority").rename(tmp_path / "safe")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "of this test")

    refused = helpers.quorate("client", "add", str(cluster), "reports", "--out", str(folder))
    assert refused.returncode == 2
    assert "name with --authority the folder" in refused.stderr
    assert not folder.exists()

    options = ("--out", str(folder), "--encrypt-keys", "--authority", str(elsewhere))
    for _ in range(2):
        added = helpers.quorate("client", "add", str(cluster), "reports", *options)
        assert added.returncode == 0, added.stderr
    assert "argon2id" in (folder / "private.key").read_text()
    assert (folder / "authority.pem").read_text() == (cluster / "client" / "authority.pem").read_text()
    assert helpers.quorate("invoke", str(folder), "--", "INCR", "a").stdout.strip() == "1"
    assert helpers.quorate("client", "revoke", str(cluster), "reports").returncode == 0
    assert "was revoked" in helpers.quorate("invoke", str(folder), "--", "INCR", "a").stderr


def test_redis_clients_become_clients_of_the_cluster(shared_cluster: Any, helpers: Any, tmp_path: Path) -> None:
    """AUTH chooses the key; what its client may not do is refused as Redis does it; a pipeline is refused in parts."""
    cluster, port = str(shared_cluster.directory), free_ports(1)[0]
    options = []
    for name, permission in (("reader", ["--read-only"]), ("shop", ["--prefix", "cart:"])):
        folder = tmp_path / name
        completed = helpers.quorate("client", "add", cluster, name, "--out", str(folder), *permission)
        assert completed.returncode == 0, completed.stderr
        (folder / "redis.password").write_text(f"{name}'s\n")
        (folder / "redis.password").chmod(0o600)
        options += ["--client", f"{name}={folder}"]
    helpers.quorate_in_background("gateway", "redis", cluster, "--listen", f"127.0.0.1:{port}", *options)

    def connected(**credentials: str) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=port, decode_responses=True, **credentials)

    def answers() -> bool:
        try:
            with connected() as client:
                return bool(client.set("cart:1", "x") and client.set("other", "y"))
        except redis.ConnectionError:
            return False

    helpers.eventually(answers, "a gateway that answers")
    with connected(username="reader", password="reader's") as client:
        assert client.get("other") == "y"
        with pytest.raises(redis.exceptions.NoPermissionError, match="to run the 'set' command"):
            client.set("other", "z")
        pipeline = client.pipeline(transaction=False).get("other").set("other", "z").get("cart:1")
        read, refused, also_read = pipeline.execute(raise_on_error=False)
        assert (read, also_read) == ("y", "x")
        assert isinstance(refused, redis.exceptions.NoPermissionError)
    with connected(username="shop", password="shop's") as client:
        assert client.incr("cart:2") == 1
        with pytest.raises(redis.exceptions.NoPermissionError, match="one of the keys used as arguments"):
            client.get("other")
    with connected(username="shop", password="reader's") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    for name in ("reader", "shop"):
        assert helpers.quorate("client", "revoke", cluster, name).returncode == 0

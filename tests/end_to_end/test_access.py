"""Clients are let in and shut out while the cluster runs (docs/ACCESS.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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

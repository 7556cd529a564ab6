"""Fixtures for backups."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup.making import Made, make_backup, make_cluster
from quorate.folder import ClusterFolder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> ClusterFolder:
    """The folder of a cluster that replicates a counter; tests leave it as it is."""
    return make_cluster(tmp_path_factory.mktemp("backup") / "shop")


@pytest.fixture(scope="module")
def made(cluster: ClusterFolder) -> Made:
    """A small backup of it."""
    return make_backup(cluster)


@pytest.fixture
def file(made: Made, tmp_path: Path) -> Path:
    """That backup in a file."""
    path = tmp_path / "shop.backup"
    path.write_bytes(made.data)
    return path

"""Fixtures for the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from quorate.config import Settings
from quorate.folder import ClusterFolder, create_cluster

settings.register_profile("quorate", deadline=None)
settings.load_profile("quorate")
"""How long an example takes says how busy the machine is, not whether it is right."""


@pytest.fixture
def cluster_folder(tmp_path: Path) -> ClusterFolder:
    """The folders of a new cluster of four; nothing listens on its ports."""
    return create_cluster(
        tmp_path / "cluster", [("127.0.0.1", 7100 + index) for index in range(4)], "redis", Settings()
    )

"""The cluster that is maltreated: an ordinary one, with a client for each gateway and each caller of the library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.config import ClientEntry, Settings
from quorate.folder import CLUSTER_FILE, ClusterFolder, create_client, create_cluster, render_configuration

SERVICE: Final = "redis"
SETTINGS: Final = Settings(durability="sync", checkpoint_interval=32, key_refresh_ms=5000, recovery_pause_ms=1000)
"""Kills may hit all, so what is acknowledged has to be on disk. Checkpoints, new session keys and recoveries of one
replica come often, so that a run sees many."""
GATEWAYS: Final = ("gateway-0", "gateway-1")
CLIENTS: Final = ("client", "client-1")
"""The folders of who uses the library; the first is the one that every cluster has."""


def make_members(directory: Path, addresses: Sequence[tuple[str, int]]) -> ClusterFolder:
    """Make the folders of all members."""
    cluster = create_cluster(directory, addresses, SERVICE, SETTINGS)
    new = [
        create_client(directory / name, cluster.configuration, ClientEntry(name, ""))
        for name in (*CLIENTS[1:], *GATEWAYS)
    ]
    configuration = msgspec.structs.replace(cluster.configuration, clients=(*cluster.configuration.clients, *new))
    text = render_configuration(configuration)
    for folder in [*cluster.replicas(), cluster.client()]:
        (folder / CLUSTER_FILE).write_text(text, encoding="utf-8")
    return cluster._replace(configuration=configuration)

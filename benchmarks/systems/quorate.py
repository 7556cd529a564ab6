"""Quorate: replicas, storage in memory or on disk, and its Redis gateway, all through the public command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load.process import LoadProcess
from benchmarks.measurement import MeasurementFailed
from benchmarks.places import LOOPBACK_LINKS, Links, Place, open_place
from benchmarks.plan import IDENTITIES, Load
from benchmarks.processes import LOOPBACK, ROOT, Processes, free_ports, is_listening, python_module
from benchmarks.systems.system import AS_IT_IS, Running, Setting
from quorate.cli.health import assess
from quorate.cli.status import ask_all
from quorate.client.aio import connect
from quorate.config import ClientEntry, Settings
from quorate.folder import CLUSTER_FILE, ClusterFolder, create_client, create_cluster, load_client, render_configuration
from quorate.lab.members import make_laboratory

_START_SECONDS = 60.0
_COMMAND_SECONDS = 20.0
_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Quorate:
    """A cluster with some settings: by default requests are signed, and everything is in memory."""

    name: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default settings."""
    replicas: int = 4
    links: Links = LOOPBACK_LINKS
    is_laboratory: bool = False
    """Whether its replicas can be turned into traitors."""
    loads: tuple[Load, ...] = (Load.CLIENT, Load.IDENTITIES, Load.REDIS_BENCHMARK)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It is this checkout: nothing can be missing."""

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Make a cluster's folder, start its replicas, and the load process or the gateway: both are clients with the
        same key, and each would be sent the replies to the other too."""
        place = open_place(processes, self.links, self.replicas + 1)
        identities = IDENTITIES if load is Load.IDENTITIES else 1
        cluster = make_cluster(processes, Settings(**self.changes), self.replicas, place, identities)
        if self.is_laboratory:
            make_laboratory(cluster)
        _start(processes, cluster, place, "lab-replica" if self.is_laboratory else "replica")
        folder = cluster.path
        roles = roles_of(folder, place)
        batches = (lambda: None) if place.outside() else lambda: _batches(folder)
        if load is Load.REDIS_BENCHMARK:
            port, pid = _start_gateway(processes, folder)
            return Running(roles | {"gateway": [pid]}, redis_port=port, batches=batches)
        folders = [str(folder / "client"), *(str(_identity(folder, number)) for number in range(1, identities))]
        client = LoadProcess(processes, "quorate", {"folders": folders}, place, self.replicas)
        return Running(roles, client, batches=batches, interface=place.interface, cluster=folder)


def start_replicas(processes: Processes, settings: Settings) -> Path:
    """Make the folder of a cluster of four, and start its replicas."""
    place = Place()
    cluster = make_cluster(processes, settings, 4, place)
    _start(processes, cluster, place, "replica")
    return cluster.path


def make_cluster(
    processes: Processes, settings: Settings, replicas: int, place: Place, identities: int = 1
) -> ClusterFolder:
    """A cluster's folder, with so many clients."""
    first = free_ports(replicas)
    addresses = [(place.address(replica), first + replica) for replica in range(replicas)]
    cluster = create_cluster(processes.folder / "cluster", addresses, "redis", settings)
    if identities > 1:
        _add_identities(cluster, identities)
    return cluster


def _start(processes: Processes, cluster: ClusterFolder, place: Place, command: str) -> None:
    for replica, folder in enumerate(cluster.replicas()):
        processes.start(folder.name, place.module(replica, "quorate", command, str(folder)))
    processes.wait_until(lambda: _is_healthy(cluster.path, place), _START_SECONDS, "starting the replicas")


def _add_identities(cluster: ClusterFolder, identities: int) -> None:
    """More clients for a cluster that was made a moment ago and never ran."""
    blank = ClientEntry("", "0" * 64)
    added = [
        create_client(
            _identity(cluster.path, number),
            cluster.configuration,
            msgspec.structs.replace(blank, name=f"client-{number}"),
        )
        for number in range(1, identities)
    ]
    clients = (*cluster.configuration.clients, *added)
    text = render_configuration(msgspec.structs.replace(cluster.configuration, clients=clients))
    for folder in cluster.replicas():
        (folder / CLUSTER_FILE).write_text(text, encoding="utf-8")


def _identity(folder: Path, number: int) -> Path:
    return folder / f"client-{number}"


def _start_gateway(processes: Processes, folder: Path) -> tuple[int, int]:
    """Its port and its process id."""
    port = free_ports(1)
    options = ("--listen", f"{LOOPBACK}:{port}")
    gateway = processes.start("gateway", python_module("quorate", "gateway", "redis", str(folder / "client"), *options))
    processes.wait_until(lambda: is_listening(port), _START_SECONDS, "starting the gateway")
    return port, gateway.pid


def roles_of(folder: Path, place: Place | None = None) -> dict[str, list[int]]:
    """Who is the primary and who the backups, by what they say themselves."""
    roles: dict[str, list[int]] = {}
    for replica in status_of(folder, place)["replicas"]:
        roles.setdefault(replica["role"], []).append(replica["pid"])
    return roles


def _batches(folder: Path) -> int:
    """How many batches have been executed."""
    return max(replica["last_executed"] or 0 for replica in status_of(folder)["replicas"])


def _is_healthy(folder: Path, place: Place) -> bool:
    try:
        return bool(status_of(folder, place)["healthy"])
    except MeasurementFailed:
        return False


def status_of(folder: Path, place: Place | None = None) -> dict[str, Any]:
    """What `quorate status --json` says."""
    prefix = place.outside() if place else None
    if prefix is None:
        _, configuration = load_client(folder)
        return assess(configuration, asyncio.run(_ask(folder, configuration.replica_count)))
    status: dict[str, Any] = json.loads(_command([*prefix, *python_module("quorate", "status", str(folder), "--json")]))
    return status


async def _ask(folder: Path, replica_count: int) -> list[Any]:
    async with connect(folder, wait_seconds=0) as client:
        return list(await ask_all(client, replica_count, _ANSWER_SECONDS))


def _command(words: list[str]) -> bytes:
    """What a command prints; MeasurementFailed on other exit codes than those of a cluster that is well or unwell."""
    try:
        answer = subprocess.run(words, capture_output=True, check=False, timeout=_COMMAND_SECONDS, cwd=ROOT)
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(f"{' '.join(words)} took longer than {_COMMAND_SECONDS:g} s") from error
    if answer.returncode not in (0, 1):
        said = answer.stderr.decode(errors="replace").strip()
        raise MeasurementFailed(f"{' '.join(words)} ended with exit code {answer.returncode}: {said}")
    return answer.stdout


MACS: Mapping[str, Any] = {"request_authentication": "mac"}
SYNC: Mapping[str, Any] = {"durability": "sync"}

QUORATE = Quorate("quorate", "Quorate, 4 replicas")
QUORATE_MACS = Quorate("quorate-macs", "Quorate, 4 replicas, requests with MACs", MACS)
QUORATE_SYNC = Quorate("quorate-sync", "Quorate, 4 replicas, on disk", SYNC)
QUORATE_SYNC_MACS = Quorate("quorate-sync-macs", "Quorate, 4 replicas, on disk, requests with MACs", {**MACS, **SYNC})

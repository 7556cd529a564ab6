"""Quorate: four replicas, storage in memory or on disk, and its Redis gateway, all through the public command line."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.process import LoadProcess
from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import Load
from benchmarks.processes import LOOPBACK, ROOT, Processes, free_ports, is_listening, python_module
from benchmarks.systems.system import AS_IT_IS, Running, Setting

_START_SECONDS = 20.0
_COMMAND_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Quorate:
    """A cluster whose clients prove themselves by signatures, as installed, or by MACs, as in the paper."""

    name: str
    title: str
    request_authentication: str
    durability: str = "memory"
    replicas: int = 4
    loads: tuple[Load, ...] = (Load.CLIENT, Load.REDIS_BENCHMARK)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It is this checkout: nothing can be missing."""

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Make a cluster's folder, start its replicas, and the load process or the gateway: both are clients with the
        same key, and each would be sent the replies to the other too."""
        folder = start_replicas(processes, self.durability, self.request_authentication, self.replicas)
        roles = _roles(folder)
        if load is Load.REDIS_BENCHMARK:
            port, pid = _start_gateway(processes, folder)
            return Running(roles | {"gateway": [pid]}, redis_port=port, batches=lambda: _batches(folder))
        client = LoadProcess(processes, "quorate", {"folder": str(folder / "client")})
        return Running(roles, client, batches=lambda: _batches(folder))


def start_replicas(
    processes: Processes, durability: str, request_authentication: str = "signature", replicas: int = 4
) -> Path:
    """Make a cluster's folder, and start its replicas."""
    folder = processes.folder / "cluster"
    _command(
        *("init", str(folder), "--replicas", str(replicas), "--port-base", str(free_ports(replicas))),
        *("--request-authentication", request_authentication, "--durability", durability),
    )
    for replica_id in range(replicas):
        name = f"replica-{replica_id}"
        processes.start(name, python_module("quorate", "replica", str(folder / name)))
    processes.wait_until(lambda: _is_healthy(folder), _START_SECONDS, "starting the replicas")
    return folder


def _start_gateway(processes: Processes, folder: Path) -> tuple[int, int]:
    """Its port and its process id."""
    port = free_ports(1)
    options = ("--listen", f"{LOOPBACK}:{port}")
    gateway = processes.start("gateway", python_module("quorate", "gateway", "redis", str(folder / "client"), *options))
    processes.wait_until(lambda: is_listening(port), _START_SECONDS, "starting the gateway")
    return port, gateway.pid


def _roles(folder: Path) -> dict[str, list[int]]:
    """Who is the primary and who the backups, by what they say themselves."""
    roles: dict[str, list[int]] = {}
    for replica in status_of(folder)["replicas"]:
        roles.setdefault(replica["role"], []).append(replica["pid"])
    return roles


def _batches(folder: Path) -> int:
    """How many batches have been executed."""
    return max(replica["last_executed"] or 0 for replica in status_of(folder)["replicas"])


def _is_healthy(folder: Path) -> bool:
    try:
        return bool(status_of(folder)["healthy"])
    except MeasurementFailed:
        return False


def status_of(folder: Path) -> dict[str, Any]:
    """What `quorate status --json` prints."""
    status: dict[str, Any] = json.loads(_command("status", str(folder), "--json", may_be=(0, 1)))
    return status


def _command(*arguments: str, may_be: tuple[int, ...] = (0,)) -> bytes:
    """What a command of Quorate's prints; MeasurementFailed on other exit codes than these."""
    try:
        answer = subprocess.run(
            python_module("quorate", *arguments), capture_output=True, check=False, timeout=_COMMAND_SECONDS, cwd=ROOT
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(f"quorate {arguments[0]} took longer than {_COMMAND_SECONDS:g} s") from error
    if answer.returncode not in may_be:
        said = answer.stderr.decode(errors="replace").strip()
        raise MeasurementFailed(f"quorate {arguments[0]} ended with exit code {answer.returncode}: {said}")
    return answer.stdout


QUORATE = Quorate("quorate", "Quorate, 4 replicas", "signature")
QUORATE_SYNC = Quorate("quorate-sync", "Quorate, 4 replicas, on disk", "signature", "sync")
QUORATE_MACS = Quorate("quorate-macs", "Quorate, 4 replicas, requests with MACs", "mac")

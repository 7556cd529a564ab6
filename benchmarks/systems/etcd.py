"""etcd of Debian: three nodes, on disk, the load at the leader."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from benchmarks.load.process import LoadProcess
from benchmarks.plan import Load
from benchmarks.processes import LOOPBACK, Processes, free_ports
from benchmarks.systems.system import AS_IT_IS, Running, Setting, need_command

NODES = 3
_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Etcd:
    """Raft, in Go: tolerates one crash, and writes every entry to disk before it answers."""

    name: str = "etcd"
    title: str = "etcd, 3 nodes, on disk"
    together: int = 1
    """How many puts its client sends in one transaction."""
    loads: tuple[Load, ...] = (Load.CLIENT,)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It comes from Debian."""
        need_command("etcd", "etcd-server")

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start three nodes and find the one that leads."""
        command = need_command("etcd", "etcd-server")
        first = free_ports(2 * NODES)
        clients = [f"http://{LOOPBACK}:{first + index}" for index in range(NODES)]
        peers = [f"http://{LOOPBACK}:{first + NODES + index}" for index in range(NODES)]
        everyone = ",".join(f"node-{index}={url}" for index, url in enumerate(peers))
        # Settings of the user's own etcd, which it takes from the environment, are not for these.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        pids = []
        for index in range(NODES):
            name = f"node-{index}"
            options = {
                "name": name,
                "data-dir": str(processes.folder / name),
                "listen-client-urls": clients[index],
                "advertise-client-urls": clients[index],
                "listen-peer-urls": peers[index],
                "initial-advertise-peer-urls": peers[index],
                "initial-cluster": everyone,
                "log-level": "warn",
            }
            arguments = [f"--{option}={value}" for option, value in options.items()]
            pids.append(processes.start(f"etcd-{name}", [command, *arguments], environment).pid)
        processes.wait_until(lambda: _leader(clients) is not None, _START_SECONDS, "electing etcd's leader")
        leader = _leader(clients) or 0
        followers = [pid for index, pid in enumerate(pids) if index != leader]
        roles = {"leader": [pids[leader]], "follower": followers}
        return Running(roles, LoadProcess(processes, "etcd", {"port": first + leader, "together": self.together}))


def _leader(clients: list[str]) -> int | None:
    """Which node says that it leads, once all answer."""
    answers = [_status(url) for url in clients]
    if None in answers:
        return None
    for index, answer in enumerate(answers):
        if answer and answer.get("leader") == answer["header"]["member_id"]:
            return index
    return None


def _status(url: str) -> dict[str, Any] | None:
    request = urllib.request.Request(f"{url}/v3/maintenance/status", data=b"{}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            status: dict[str, Any] = json.load(answer)
            return status
    except (urllib.error.URLError, OSError, ValueError):
        return None


ETCD = Etcd()
ETCD_TRANSACTIONS = Etcd("etcd-txn", "etcd, 3 nodes, on disk, 64 puts a transaction", 64)

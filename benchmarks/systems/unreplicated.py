"""The Redis engine that Quorate replicates, alone."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.process import LoadProcess
from benchmarks.places import LOOPBACK_LINKS, Links, open_place
from benchmarks.plan import Load
from benchmarks.processes import Processes, free_ports
from benchmarks.systems.system import AS_IT_IS, Running, Setting


@dataclass(frozen=True, slots=True)
class Unreplicated:
    """One process, no protocol, the same client's coalescing."""

    name: str = "unreplicated"
    title: str = "same engine, unreplicated"
    links: Links = LOOPBACK_LINKS
    loads: tuple[Load, ...] = (Load.CLIENT,)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It is the benchmark's own: nothing can be missing."""

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start the server. Its client waits for it."""
        place = open_place(processes, self.links, 2)
        host, port = place.address(0), free_ports(1)
        server = processes.start("server", place.module(0, "benchmarks.peers.unreplicated_server", host, str(port)))
        client = LoadProcess(processes, "unreplicated", {"host": host, "port": port}, place, 1)
        return Running({"server": [server.pid]}, client, interface=place.interface)


UNREPLICATED = Unreplicated()

"""The Redis engine that Quorate replicates, alone."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.process import LoadProcess
from benchmarks.plan import Load
from benchmarks.processes import Processes, free_ports, is_listening, python_module
from benchmarks.systems.system import AS_IT_IS, Running, Setting

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Unreplicated:
    """One process, no protocol, the same client's coalescing."""

    name: str = "unreplicated"
    title: str = "same engine, unreplicated"
    loads: tuple[Load, ...] = (Load.CLIENT,)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It is the benchmark's own: nothing can be missing."""

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start the server."""
        port = free_ports(1)
        server = processes.start("server", python_module("benchmarks.peers.unreplicated_server", str(port)))
        processes.wait_until(lambda: is_listening(port), _START_SECONDS, "starting the server")
        return Running({"server": [server.pid]}, LoadProcess(processes, "unreplicated", {"port": port}))


UNREPLICATED = Unreplicated()

"""redis-server of Debian, unreplicated and without persistence."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.process import LoadProcess
from benchmarks.plan import Load
from benchmarks.processes import LOOPBACK, Processes, free_ports, is_listening
from benchmarks.systems.system import AS_IT_IS, Running, Setting, need_command

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One process in C."""

    name: str = "redis"
    title: str = "redis-server"
    loads: tuple[Load, ...] = (Load.CLIENT, Load.REDIS_BENCHMARK)
    settings: tuple[Setting, ...] = (AS_IT_IS,)

    def check(self) -> None:
        """It comes from Debian."""
        need_command("redis-server", "redis-server")

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start a server of our own."""
        port = free_ports(1)
        command = [need_command("redis-server", "redis-server"), "--bind", LOOPBACK, "--port", str(port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(processes.folder)]
        server = processes.start("redis-server", command)
        processes.wait_until(lambda: is_listening(port), _START_SECONDS, "starting redis-server")
        roles = {"server": [server.pid]}
        if load is Load.REDIS_BENCHMARK:
            return Running(roles, redis_port=port)
        return Running(roles, LoadProcess(processes, "redis", {"port": port}))


REDIS_SERVER = RedisServer()

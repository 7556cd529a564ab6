"""The processes of a cluster that chaos maltreats: started, killed, paused, stopped, and ended with this one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from quorate.cli.processes import Child, Children
from quorate.folder import ClusterFolder, load_replica
from quorate.lab import namespaces
from quorate.lab.chaos.members import GATEWAYS
from quorate.lab.paths import Path as LinkPath
from quorate.runtime.durability import storage_of

_GATEWAY_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 600.0
"""A gateway may be started again while all replicas are down."""


class LocalMachines:
    """Satisfies `lab.chaos.machines.Machines`, on this machine."""

    def __init__(
        self, cluster: ClusterFolder, gateways: Sequence[tuple[str, int]], logs: Path, why_no_partitions: str | None
    ) -> None:
        self._cluster = cluster
        self._gateway_addresses = gateways
        self._logs = logs
        self._why_no_partitions = why_no_partitions
        self._cutter = None if why_no_partitions is not None else namespaces.NamespaceCutter()
        self._children = Children()
        self._replicas: dict[int, Child] = {}
        self._gateways: dict[int, Child] = {}
        self._ended: list[str] = []
        self._made_to_end: set[Child] = set()

    @property
    def gateway_count(self) -> int:
        """How many gateways there are."""
        return len(self._gateway_addresses)

    async def start_all(self) -> None:
        """Start everything."""
        for replica in range(self._cluster.configuration.replica_count):
            await self.start(replica)
        for gateway in range(self.gateway_count):
            await self._start_gateway(gateway)

    async def close(self) -> None:
        """Kill everything: what is kept on disk needs no farewell."""
        running = [child for child in (*self._replicas.values(), *self._gateways.values()) if child.is_running]
        for child in running:
            await self._end(child, signal.SIGKILL)
        await self._children.stop()

    def storage(self, replica: int) -> Path:
        """Where a replica keeps what it keeps."""
        return storage_of(load_replica(self._cluster.replica(replica)))

    async def start(self, replica: int) -> None:
        """Start a replica that is down."""
        arguments = ["replica", str(self._cluster.replica(replica)), "--log-level", "info"]
        inside = namespaces.inside(replica) if self._cutter is not None else ()
        self._replicas[replica] = await self._start(f"replica-{replica}", arguments, inside)

    async def _start_gateway(self, gateway: int) -> None:
        host, port = self._gateway_addresses[gateway]
        arguments = ["gateway", "redis", str(self._cluster.path / GATEWAYS[gateway]), "--listen", f"{host}:{port}"]
        arguments += ["--timeout", str(_GATEWAY_SECONDS), "--wait", str(_PATIENCE_SECONDS)]
        self._gateways[gateway] = await self._start(GATEWAYS[gateway], arguments, ())

    async def _start(self, name: str, arguments: Sequence[str], inside: Sequence[str]) -> Child:
        with self._log(name) as log:
            return await self._children.start(name, arguments, self._note_end, inside, log)

    @contextmanager
    def _log(self, name: str) -> Iterator[int]:
        """The file to which a process appends its log."""
        descriptor = os.open(self._logs / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _note_end(self, child: Child) -> None:
        if child not in self._made_to_end:
            self._ended.append(f"{child.name} ended by itself ({child.how_it_ended()}), pid {child.pid}")

    def ended_by_itself(self) -> list[str]:
        """Processes that ended and were not made to."""
        return list(self._ended)

    # -------------------------------------------------------------------------------------- what is done to them

    async def kill(self, replica: int) -> None:
        """SIGKILL, and wait for its end."""
        await self._end(self._replicas[replica], signal.SIGKILL)

    async def stop(self, replica: int) -> None:
        """SIGTERM, and wait for its end."""
        await self._end(self._replicas[replica], signal.SIGTERM)

    async def let_recover(self, replica: int, is_clean: bool) -> None:
        """`quorate recover`. The replica is down."""
        arguments = ["recover", str(self._cluster.replica(replica)), *(["--clean"] if is_clean else [])]
        child = await self._start(f"replica-{replica}", arguments, ())
        self._made_to_end.add(child)
        if await child.process.wait() != 0:
            self._ended.append(f"`quorate recover` of replica {replica}: {child.how_it_ended()}")

    async def restart_gateway(self, gateway: int, seconds: float) -> None:
        """SIGKILL, and start it again so much later."""
        await self._end(self._gateways[gateway], signal.SIGKILL)
        await asyncio.sleep(seconds)
        await self._start_gateway(gateway)

    async def _end(self, child: Child, number: signal.Signals) -> None:
        if child.is_running:
            self._made_to_end.add(child)
            _send(child, number)
            await child.process.wait()

    def pause(self, replica: int) -> None:
        """SIGSTOP, if it runs."""
        _send(self._replicas[replica], signal.SIGSTOP)

    def resume(self, replica: int) -> None:
        """SIGCONT, if it runs."""
        _send(self._replicas[replica], signal.SIGCONT)

    # ---------------------------------------------------------------------------------------------- their links

    async def lose(self, paths: Sequence[LinkPath]) -> None:
        """Lose what goes these ways between replicas, and nothing else."""
        assert self._cutter is not None
        await self._cutter.lose(paths)

    def why_no_partitions(self) -> str | None:
        """Why `lose` cannot be had here; None when it can."""
        return self._why_no_partitions


def _send(child: Child, number: signal.Signals) -> None:
    """Signal a process, which may have ended."""
    if child.is_running:
        with suppress(ProcessLookupError):
            child.process.send_signal(number)

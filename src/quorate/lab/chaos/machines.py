"""What the driver needs of the processes that it maltreats. The command line has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from quorate.lab.paths import Path as LinkPath


class Machines(Protocol):
    """The replicas and gateways of one cluster, each a process."""

    @property
    def gateway_count(self) -> int:
        """How many gateways there are."""

    def storage(self, replica: int) -> Path:
        """Where a replica keeps what it keeps."""

    async def start(self, replica: int) -> None:
        """Start a replica that is down."""

    async def kill(self, replica: int) -> None:
        """SIGKILL, and wait for its end."""

    async def stop(self, replica: int) -> None:
        """SIGTERM, and wait for its end."""

    async def let_recover(self, replica: int, is_clean: bool) -> None:
        """`quorate recover`, with `--clean` if nothing of its state shall be kept. The replica is down."""

    def pause(self, replica: int) -> None:
        """SIGSTOP, if it runs."""

    def resume(self, replica: int) -> None:
        """SIGCONT, if it runs."""

    async def restart_gateway(self, gateway: int, seconds: float) -> None:
        """SIGKILL, and start it again so much later."""

    async def lose(self, paths: Sequence[LinkPath]) -> None:
        """Lose what goes these ways between replicas, and nothing else."""

    def why_no_partitions(self) -> str | None:
        """Why `lose` cannot be had here; None when it can."""

    def ended_by_itself(self) -> list[str]:
        """Processes that ended and were not made to."""

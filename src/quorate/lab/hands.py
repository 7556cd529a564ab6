"""What is done to a laboratory's processes: they are told to lie, stopped, killed, or cut off."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from quorate.errors import QuorateError
from quorate.lab.catalogue import NAMESPACES_SUFFIX, Attack, Kind
from quorate.lab.control import Behave, Cut, Jump, Lie, NotRunning, Tell, ask

HOUR_US: Final = 3_600_000_000


class Cutter(Protocol):
    """Cuts links."""

    async def cut(self, replica: int, others: Sequence[int], one_way: bool) -> None:
        """Lose what goes from *others* to *replica*, and unless it is one-way, what goes back."""

    async def mend(self, replica: int, others: Sequence[int]) -> None:
        """Make these links whole."""


class LabCutter:
    """Has the replica's own process lose the frames, at the level of links."""

    def __init__(self, folder: Callable[[int], Path]) -> None:
        self._folder = folder

    async def cut(self, replica: int, others: Sequence[int], one_way: bool) -> None:
        """Lose frames."""
        gone = frozenset(others)
        await ask(self._folder(replica), Cut(mute_to=frozenset() if one_way else gone, deaf_to=gone))

    async def mend(self, replica: int, others: Sequence[int]) -> None:
        """Lose no more."""
        await ask(self._folder(replica), Cut())


class Hands:
    """Begins an attack on processes, and ends it."""

    def __init__(self, folder: Callable[[int], Path], replica_count: int, cutter: Cutter) -> None:
        self._folder = folder
        self._replica_count = replica_count
        self._cutter = cutter
        self._paused: dict[int, int] = {}
        """The processes that are stopped."""

    async def begin(self, attack: Attack, replicas: Sequence[int], seed: int) -> None:
        """Give the attack to these replicas."""
        for replica in replicas:
            if attack.kind is Kind.REPLICA:
                await ask(self._folder(replica), Lie(attack.strategies, seed + replica))
            elif attack.kind is Kind.PERTURBATION:
                await self._perturb(attack.name.removesuffix(NAMESPACES_SUFFIX), replica)

    async def end(self, attack: Attack, replicas: Sequence[int]) -> None:
        """Undo what can be undone."""
        name = attack.name.removesuffix(NAMESPACES_SUFFIX)
        for replica in replicas:
            folder = self._folder(replica)
            if attack.kind is Kind.REPLICA:
                with suppress(NotRunning):
                    await ask(folder, Behave())
            elif name == "pause":
                await self.resume(replica)
            elif name == "clock-jump":
                await ask(folder, Jump(0))
            elif name in ("cut-links", "one-way"):
                await self._cutter.mend(replica, self._others(replica))

    async def _perturb(self, name: str, replica: int) -> None:
        match name:
            case "pause":
                await self.pause(replica)
            case "kill":
                os.kill(await self._pid(replica), signal.SIGKILL)
            case "clock-jump":
                await ask(self._folder(replica), Jump(HOUR_US))
            case "cut-links" | "one-way":
                await self._cutter.cut(replica, self._others(replica), one_way=name == "one-way")
            case _:
                raise QuorateError(f"nobody knows how to perturb by {name}")

    async def pause(self, replica: int) -> None:
        """SIGSTOP. Its process id is what its own socket told before it was stopped."""
        self._paused[replica] = await self._pid(replica)
        os.kill(self._paused[replica], signal.SIGSTOP)

    async def resume(self, replica: int) -> None:
        """SIGCONT, if it was stopped."""
        pid = self._paused.pop(replica, None)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def pause_for(self, replica: int, seconds: float) -> None:
        """Stop a replica for a while."""
        await self.pause(replica)
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.resume(replica)

    async def _pid(self, replica: int) -> int:
        return (await ask(self._folder(replica), Tell())).pid

    def _others(self, replica: int) -> list[int]:
        return [other for other in range(self._replica_count) if other != replica]

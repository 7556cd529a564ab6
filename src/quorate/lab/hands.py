"""What is done to a laboratory's processes: they are told to lie, stopped, killed, or cut off."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path as Folder
from typing import Final, Protocol

from quorate.errors import QuorateError
from quorate.lab.catalogue import Attack, Kind
from quorate.lab.control import Behave, Cut, Jump, Lie, NotRunning, Tell, ask
from quorate.lab.paths import SHAPES, Path, lost_paths

HOUR_US: Final = 3_600_000_000


class Cutter(Protocol):
    """Cuts links, each direction by itself."""

    async def cut(self, lost: Sequence[Path]) -> None:
        """Lose what goes these ways."""

    async def mend(self) -> None:
        """Make all links whole."""


class LabCutter:
    """Has the receivers' own processes lose the frames, at the level of links."""

    def __init__(self, folder: Callable[[int], Folder], replica_count: int) -> None:
        self._folder = folder
        self._replica_count = replica_count

    async def cut(self, lost: Sequence[Path]) -> None:
        """Lose frames."""
        for replica in range(self._replica_count):
            with suppress(NotRunning):  # it hears nothing anyway
                deaf_to = frozenset(sender for sender, receiver in lost if receiver == replica)
                await ask(self._folder(replica), Cut(deaf_to))

    async def mend(self) -> None:
        """Lose no more."""
        await self.cut(())


class Hands:
    """Begins an attack on processes, and ends it."""

    def __init__(self, folder: Callable[[int], Folder], replica_count: int, cutter: Cutter) -> None:
        self._folder = folder
        self._replica_count = replica_count
        self._cutter = cutter
        self._paused: dict[int, int] = {}
        """The processes that are stopped."""

    async def begin(self, attack: Attack, replicas: Sequence[int], seed: int) -> None:
        """Give the attack to these replicas."""
        if attack.perturbation in SHAPES:
            await self._cutter.cut(lost_paths(attack.perturbation, replicas, self._replica_count))
            return
        for replica in replicas:
            if attack.kind is Kind.REPLICA:
                await ask(self._folder(replica), Lie(attack.strategies, seed + replica))
            elif attack.kind is Kind.PERTURBATION:
                await self._perturb(attack.name, replica)

    async def end(self, attack: Attack, replicas: Sequence[int]) -> None:
        """Undo what can be undone."""
        if attack.perturbation in SHAPES:
            await self._cutter.mend()
        for replica in replicas:
            with suppress(NotRunning):
                if attack.kind is Kind.REPLICA:
                    await ask(self._folder(replica), Behave())
                elif attack.name == "pause":
                    await self.resume(replica)
                elif attack.name == "clock-jump":
                    await ask(self._folder(replica), Jump(0))

    async def _perturb(self, name: str, replica: int) -> None:
        match name:
            case "pause":
                await self.pause(replica)
            case "kill":
                os.kill(await self._pid(replica), signal.SIGKILL)
            case "clock-jump":
                await ask(self._folder(replica), Jump(HOUR_US))
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

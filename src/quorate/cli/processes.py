"""The child processes of `quorate up`: started, watched, and ended with it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from quorate.cli.parent import environment_of_child

STOP_SECONDS: Final = 5.0
"""How long a process may take to stop by itself."""


class Child:
    """One process, `quorate` with some arguments."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was not seen to end."""
        return self.process.returncode is None

    async def first_line(self) -> bytes:
        """What it says first, where its output is a pipe; nothing, when it ends without a word."""
        return b"" if self.process.stdout is None else await self.process.stdout.readline()

    def how_it_ended(self) -> str:
        """For people: its exit code, or what killed it."""
        code = self.process.returncode
        if code is None:
            return "runs"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Children:
    """The processes that this one started. None outlives it: they end with their parent, and `stop` waits for them."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._watchers: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def start(
        self,
        name: str,
        arguments: Sequence[str],
        when_ended: Callable[[Child], None],
        inside: Sequence[str] = (),
        errors: int | None = None,
        output: int = DEVNULL,
    ) -> Child:
        """Run `quorate` with *arguments* and call *when_ended* if it ends before `stop`. *inside* is a command that
        runs its arguments somewhere else, as the same process. *errors* is the file for what it logs, and *output*
        the one for what it says.

        It gets a session of its own: Ctrl-C reaches this process alone, which then stops the others in order.
        """
        starting = create_subprocess_exec(
            *(*inside, sys.executable, "-m", "quorate", *arguments),
            stdin=DEVNULL,
            stdout=output,  # errors and logs go to standard error, by default this process's own
            stderr=errors,
            env=environment_of_child(),
            start_new_session=True,
        )
        child = await self._adopt(name, starting)
        watcher = asyncio.create_task(self._watch(child, when_ended))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return child

    async def _adopt(self, name: str, starting: Coroutine[Any, Any, Process]) -> Child:
        """Know the process also where whoever starts it is cancelled meanwhile: `stop` has to wait for it."""
        task = asyncio.create_task(starting)
        try:
            await asyncio.shield(task)
        finally:
            child = Child(name, await task)
            self._children.append(child)
        return child

    async def _watch(self, child: Child, when_ended: Callable[[Child], None]) -> None:
        await child.process.wait()
        if not self._is_stopping:
            when_ended(child)

    async def stop(self) -> None:
        """Ask all to stop, the last one first, and kill those that do not."""
        self._is_stopping = True
        running = [child for child in reversed(self._children) if child.is_running]
        for child in running:
            _send(child, signal.SIGTERM)
        waiting = [asyncio.create_task(child.process.wait()) for child in running]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_SECONDS)
        for child in running:
            if child.is_running:
                _send(child, signal.SIGKILL)
                await child.process.wait()


def _send(child: Child, number: signal.Signals) -> None:
    """Signal a child, which may have ended a moment ago."""
    try:
        child.process.send_signal(number)
    except ProcessLookupError:
        return

"""Work that Ctrl-C, SIGTERM and SIGHUP end in order, so that nothing stays stopped, cut or behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

from quorate.errors import QuorateError


def until_stopped(work: Coroutine[Any, Any, Any]) -> Any:
    """Run; Ctrl-C, SIGTERM and SIGHUP end it. Raises QuorateError when it was ended.

    Ctrl-C is handled here too: Python's own way would not let what ends in order come to its end the second time, and
    would leave Ctrl-C ignored where a shell started this in its background.
    """

    async def run() -> Any:
        task = asyncio.create_task(work)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, _cancel_once, task)
        return await task

    try:
        return uvloop.run(run())
    except asyncio.CancelledError:
        raise QuorateError("stopped before there was a verdict") from None


def _cancel_once(task: asyncio.Task[Any]) -> None:
    """What ends in order already is not interrupted."""
    if not task.cancelling():
        task.cancel()

"""Child processes: none is left to itself, whenever whoever starts it is interrupted."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
import uvloop

from quorate.cli.processes import Children


def own_children() -> set[str]:
    """The processes that this thread started and nobody has waited for."""
    return set(Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split())


def test_who_is_cancelled_while_it_starts_one_leaves_none_behind() -> None:
    async def play() -> set[str]:
        others = own_children()
        children = Children()
        starting = asyncio.create_task(children.start("one", ["replica", "/nowhere"], lambda child: None))
        while own_children() == others:
            await asyncio.sleep(0)
        assert not starting.done()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await children.stop()
        return own_children() - others

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(play()) == set()

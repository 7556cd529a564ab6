"""Several partitions at once: a path is lost as long as one of them wants it. And nothing is left of who is stopped."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path as FilePath

import pytest
import uvloop

from quorate.lab import namespaces
from quorate.lab.namespaces import NamespaceCutter
from quorate.lab.paths import Path


def test_routes_are_added_and_deleted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[tuple[str, Path]] = []

    async def route(verb: str, path: Path) -> None:
        did.append((verb, path))

    monkeypatch.setattr(namespaces, "_route", route)

    async def run() -> None:
        cutter = NamespaceCutter()
        for wanted in ([(0, 1), (1, 0)], [(0, 1), (1, 2)], [(1, 2)], [], []):
            await cutter.lose(wanted)

    asyncio.run(run())

    assert did == [
        ("add", (0, 1)),
        ("add", (1, 0)),
        ("del", (1, 0)),
        ("add", (1, 2)),
        ("del", (0, 1)),
        ("del", (1, 2)),
    ]


def test_who_is_stopped_while_a_route_is_made_leaves_no_process_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: FilePath
) -> None:
    """Else the loop may end before the process does, and learns of that when it is closed."""
    begun = tmp_path / "begun"
    slow = tmp_path / "ip"
    slow.write_text(f"#!/bin/sh\necho $$ >{begun}.new\nmv {begun}.new {begun}\nexec sleep 0.5\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    async def stop() -> None:
        cutting = asyncio.create_task(NamespaceCutter().lose([(0, 1)]))
        while not begun.exists():
            await asyncio.sleep(0.01)
        cutting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cutting

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(stop())
    assert not FilePath(f"/proc/{int(begun.read_text())}").exists()

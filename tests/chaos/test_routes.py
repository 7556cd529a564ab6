"""Several partitions at once: a path is lost as long as one of them wants it."""

from __future__ import annotations

import asyncio

import pytest

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

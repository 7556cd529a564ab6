"""When a replica counts as recovered, and when all are level."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from quorate.client.aio import AsyncClient
from quorate.core.quorum import quorums_of
from quorate.errors import RequestTimeout
from quorate.lab.chaos.watch import Watch

SOON = 0.3


def report(**fields: object) -> dict[str, object]:
    return {
        "status": "normal",
        "view": 0,
        "last_executed": 70,
        "low_watermark": 64,
        "stable_checkpoint": 64,
        "state_digest": "ab",
        "needs_state": False,
        "storage_trouble": None,
        "votes_lost": None,
    } | fields


class Eye:
    """Answers with what is there."""

    def __init__(self, reports: Mapping[int, dict[str, object]]) -> None:
        self.reports = reports

    async def inspect(self, replica: int, timeout: float) -> dict[str, object]:
        if replica not in self.reports:
            raise RequestTimeout("it is down")
        return self.reports[replica]


def watch_of(**changed: dict[str, object] | None) -> Watch:
    """Four replicas that are well, but for those that are named; None: it is down."""
    reports = {number: report(**(changed.get(f"replica_{number}", {}) or {})) for number in range(4)}
    up = {number: one for number, one in reports.items() if changed.get(f"replica_{number}", {}) is not None}
    return Watch(cast(AsyncClient, Eye(up)), quorums_of(4))


def recovers(watch: Watch, replica: int) -> bool:
    return asyncio.run(watch.has_recovered(replica, SOON))


def test_who_takes_part_and_is_not_behind_has_recovered() -> None:
    assert recovers(watch_of(), 2)
    assert recovers(watch_of(replica_2={"status": "view-change"}), 2)
    assert recovers(watch_of(replica_0={"last_executed": 99}), 2), "one alone may say anything"


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {"status": "recovering"},
        {"status": "lost-votes"},
        {"needs_state": True},
        {"storage_trouble": "full"},
        {"last_executed": 69},
    ],
)
def test_who_lacks_something_has_not(fields: dict[str, object] | None) -> None:
    assert not recovers(watch_of(replica_2=fields), 2)


def is_level(watch: Watch, stable: int) -> bool:
    return asyncio.run(watch.all_level(SOON, stable))


def test_all_are_level_with_equal_states() -> None:
    assert is_level(watch_of(), 64)
    assert not is_level(watch_of(), 65)


@pytest.mark.parametrize(
    "fields", [None, {"state_digest": "cd"}, {"stable_checkpoint": 32}, {"last_executed": 71}, {"needs_state": True}]
)
def test_all_are_not_level_while_one_differs(fields: dict[str, object] | None) -> None:
    assert not is_level(watch_of(replica_3=fields), 32)


def test_all_have_executed_equally() -> None:
    async def run(**changed: Any) -> bool:
        return await watch_of(**changed).all_executed_equally(SOON)

    assert asyncio.run(run())
    assert not asyncio.run(run(replica_1={"last_executed": 71}))


def test_what_was_said_last_is_told() -> None:
    watch = watch_of(replica_1=None)
    asyncio.run(watch.look())
    assert watch.describe(0).startswith("status normal, view 0, last_executed 70, ")
    assert watch.describe(1) == "it never answered"

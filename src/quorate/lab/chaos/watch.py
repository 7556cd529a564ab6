"""Looks at the replicas, by what they answer to INSPECT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from quorate.client.aio import AsyncClient
from quorate.core.quorum import Quorums
from quorate.errors import RequestFailed

TAKES_PART: Final = frozenset({"normal", "view-change"})
"""Who is on its way to another view alone executes what the others decide, and joins them at the next view change."""
_TOLD: Final = (
    *("status", "view", "last_executed", "low_watermark", "stable_checkpoint", "state_digest", "needs_state"),
    *("storage_trouble", "votes_lost"),
)
_ANSWER_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.1

Report = Mapping[str, object]


def is_well(report: Report) -> bool:
    """Whether a replica takes part and lacks nothing."""
    return report["status"] in TAKES_PART and not report["needs_state"] and report["storage_trouble"] is None


def number(report: Report, name: str) -> int:
    """A number that a replica tells."""
    value = report[name]
    assert isinstance(value, int)
    return value


def _has_come_to(report: Report, goal: int) -> bool:
    return is_well(report) and number(report, "last_executed") >= goal


class Watch:
    """Asks the replicas."""

    def __init__(self, eye: AsyncClient, quorums: Quorums) -> None:
        self._eye = eye
        self._quorums = quorums
        self._latest: dict[int, Report] = {}

    async def look(self) -> dict[int, Report]:
        """What everyone who answers says now."""
        everyone = range(self._quorums.replica_count)
        reports = await asyncio.gather(*map(self._ask, everyone))
        return {replica: report for replica, report in zip(everyone, reports, strict=True) if report is not None}

    async def _ask(self, replica: int) -> Report | None:
        try:
            self._latest[replica] = await self._eye.inspect(replica, _ANSWER_SECONDS)
        except RequestFailed:
            return None
        return self._latest[replica]

    async def has_recovered(self, replica: int, seconds: float) -> bool:
        """Wait until a replica takes part and has executed what a correct one had executed when this began, as soon as
        anybody can be asked; False when that takes longer."""
        goal: int | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    reports = await self.look()
                    if goal is None and len(reports) >= self._quorums.weak:
                        executed = sorted((number(one, "last_executed") for one in reports.values()), reverse=True)
                        goal = executed[self._quorums.weak - 1]
                    if goal is not None and replica in reports and _has_come_to(reports[replica], goal):
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False

    async def all_executed_equally(self, seconds: float) -> bool:
        """Wait until all replicas take part and have executed the same; False when that takes longer."""
        return await self._until(lambda reports: len({one["last_executed"] for one in reports}) == 1, seconds)

    async def all_level(self, seconds: float, stable: int) -> bool:
        """Wait until all replicas hold the same stable checkpoint also, *stable* or a later one; False when that takes
        longer."""

        def are_level(reports: Collection[Report]) -> bool:
            names = ("last_executed", "stable_checkpoint", "state_digest")
            told = {tuple(report[name] for name in names) for report in reports}
            return len(told) == 1 and all(number(report, "stable_checkpoint") >= stable for report in reports)

        return await self._until(are_level, seconds)

    async def _until(self, holds: Callable[[Collection[Report]], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    reports = (await self.look()).values()
                    if len(reports) == self._quorums.replica_count and all(map(is_well, reports)) and holds(reports):
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False

    def describe(self, replica: int) -> str:
        """What a replica said last."""
        report = self._latest.get(replica)
        if report is None:
            return "it never answered"
        return ", ".join(f"{name} {report[name]}" for name in _TOLD)

    def reports(self) -> dict[int, Report]:
        """What each replica said last."""
        return dict(self._latest)

"""The verdict can say no: with f + 1 faulty replicas nothing is promised, and what breaks is seen on real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from quorate.cli import attack
from quorate.cli.attack import own_cluster
from quorate.lab import course
from quorate.lab.catalogue import find_attack
from quorate.lab.course import Course
from quorate.lab.verdict import Look, Verdict

pytestmark = pytest.mark.processes


class Unlimited(Course):
    """It lets more than f replicas attack."""

    def _refuse_too_many(self, look: Look, replicas: Sequence[int]) -> None:
        """Nothing is too many."""


async def attacked(directory: Path, name: str, replicas: Sequence[int]) -> Verdict:
    async with own_cluster(directory, in_namespaces=False) as laboratory:
        return await Unlimited(laboratory, find_attack(name), 3.0, seed=1).run(replicas)


def test_two_of_four_that_are_dead_serve_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "SERVED_SECONDS", 15.0)

    verdict = asyncio.run(attacked(tmp_path / "cluster", "kill", [0, 1]))

    assert (verdict.safe, verdict.linearizable, verdict.available) == (True, True, False)
    assert verdict.recovery_seconds is None
    assert any("not every caller was served again" in problem for problem in verdict.problems)


def test_two_of_four_that_give_the_same_wrong_answer_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where f + 1 equal replies are enough for a client."""
    monkeypatch.setattr(attack, "SETTINGS", replace(attack.SETTINGS, read_only_path=False, tentative_execution=False))

    verdict = asyncio.run(attacked(tmp_path / "cluster", "wrong-replies", [1, 2]))

    assert (verdict.safe, verdict.linearizable) == (True, False)
    assert any("has no linearization" in problem or "is lost" in problem for problem in verdict.problems)


def test_with_reads_that_are_not_ordered_they_are_not_believed(tmp_path: Path) -> None:
    """Nor where replies are tentative: a client wants a quorum of equal ones (RO-5, TENT-4)."""
    verdict = asyncio.run(attacked(tmp_path / "cluster", "wrong-replies", [1, 2]))

    assert (verdict.safe, verdict.linearizable) == (True, True)


def test_two_of_four_that_vouch_for_false_decisions_break_safety(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correct replicas see that two digests are decided for one number, and stop."""
    monkeypatch.setattr(course, "SERVED_SECONDS", 15.0)
    monkeypatch.setattr(course, "CAUGHT_UP_SECONDS", 15.0)

    verdict = asyncio.run(attacked(tmp_path / "cluster", "lying-decided", [2, 3]))

    assert not verdict.safe
    assert verdict.problems

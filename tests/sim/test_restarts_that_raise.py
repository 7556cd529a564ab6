"""A process that cannot start again is a verdict, not the end of the run."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.sim.disk import Contents, Disk
from quorate.sim.plan import Crash
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World


def test_a_restart_that_raises_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk gives back something that nothing can be begun from."""
    plan = replace(draw_plan(1, "calm"), faults=(Crash(200_000, 400_000, 2, None, False),))
    assert World(plan).run().verdicts == ()
    starts = 0
    honest = Disk.read

    def read(disk: Disk) -> Contents:
        nonlocal starts
        starts += 1
        if starts > plan.replicas:
            raise ValueError("damaged")
        return honest(disk)

    monkeypatch.setattr(Disk, "read", read)
    first = World(plan).run().verdicts[0]
    assert first.rule == "no failure"
    assert first.text.startswith("replica 2 stopped: damaged")

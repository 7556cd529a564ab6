"""A replica that is at rest concludes nothing: what `Replica.settle` then skips would have done nothing."""

from __future__ import annotations

import pytest

from core.group import state_of
from quorate.core.replica import Replica
from quorate.sim.explore import Campaign, run_seed


@pytest.mark.parametrize("replicas", [4, 7])
def test_at_rest_nothing_is_left_to_conclude(replicas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a replica of a simulated world says that it is at rest, all conclusions are drawn all the same."""
    is_at_rest = Replica._is_at_rest
    rests = 0

    def checked(replica: Replica) -> bool:
        nonlocal rests
        if not is_at_rest(replica):
            return False
        rests += 1
        core = replica.core
        before = state_of(core)
        effects = list(core.outbox)
        replica._settle()
        assert core.outbox == effects
        assert state_of(core) == before
        return True

    monkeypatch.setattr(Replica, "_is_at_rest", checked)
    for seed in range(3):
        report = run_seed(seed, Campaign(replicas=replicas))
        assert report.outcome.verdicts == ()
    assert rests > 100

"""What simulated clients ask for."""

from __future__ import annotations

from random import Random

from quorate.sim.plan import ClientPlan
from quorate.sim.workload import Operations


def test_what_a_liar_wrote_may_be_no_text() -> None:
    """It may have garbled its own request; the client that learns it goes on."""
    operations = Operations("f", ClientPlan(keys=1, strategies=("garbage",)), Random(1))

    operations.learn((b"append x0 f2.",), (b"\xe62.",))

    assert all(operation.decode() for _ in range(100) for operation in operations.next_request())

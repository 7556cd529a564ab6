"""The invariants: each is checked, and names itself when it does not hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core.context import Core, Status
from quorate.core.log import Phase, Slot
from quorate.errors import InvariantViolation
from quorate.messages.protocol import PreparedClaim

X = b"x" * 32


def too_many_slots(core: Core) -> None:
    core.log.slots.update({number: Slot(number) for number in range(100, 200)})


def slot_outside(core: Core) -> None:
    del core.log.slots[1]
    core.log.slots[99] = Slot(99)


def prepared_outside(core: Core) -> None:
    core.log.prepared_claims[99] = PreparedClaim(99, X, 0)


def prepared_later(core: Core) -> None:
    core.log.prepared_claims[2] = PreparedClaim(2, X, 5)


def unannounced(core: Core) -> None:
    core.status = Status.VIEW_CHANGE


def prepared_without_claim(core: Core) -> None:
    core.log.slot(2).phase = Phase.PREPARED


def undecided(core: Core) -> None:
    core.log.slots[1].decided = None


BROKEN: dict[str, Callable[[Core], object]] = {
    "INV-1:": lambda core: setattr(core, "last_executed", -1),
    "INV-2:": lambda core: setattr(core, "last_executed", 9),
    "INV-3:": too_many_slots,
    "INV-4:": slot_outside,
    "INV-5:": prepared_outside,
    "INV-6:": prepared_later,
    "INV-7:": lambda core: core.checkpoints.held.clear(),
    "INV-8:": lambda core: core.waiting._entries.update(dict.fromkeys(range(10_000))),  # type: ignore[call-overload]
    "INV-9:": lambda core: core.log.history.update(dict.fromkeys(range(100), X)),
    "INV-10:": unannounced,
    "INV-11:": prepared_without_claim,
    "INV-12:": undecided,
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_invariant_is_checked(name: str) -> None:
    """A violation stops the replica and says which rule it was."""
    group = Group(4, Settings(checkpoint_interval=4))
    group.open_session()
    replica = group.replicas[1]
    replica.check_invariants()
    BROKEN[name](replica.core)
    with pytest.raises(InvariantViolation, match=name):
        replica.check_invariants()

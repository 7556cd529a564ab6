"""What the suite asks of a load process."""

from __future__ import annotations

import msgspec

from benchmarks.plan import DEFAULT_OPERATIONS, Operations


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Measure for a while, in one of two ways, or only fill the keys."""

    outstanding: int = 1
    """Closed loop: keep so many operations under way."""
    rate: float = 0.0
    """Open loop, if it is above 0: so many operations a second arrive on a schedule, whatever is answered."""
    seconds: float = 0.0
    warm_up: float = 0.0
    roles: dict[str, list[int]] = {}
    """The processes of the system, whose processor time is read too."""
    operations: Operations = DEFAULT_OPERATIONS
    is_filling: bool = False
    """Set every key once, and measure only that it was done."""
    interface: str = ""
    """The network interface that each of the processes has for itself, where it does: its bytes are counted."""
    is_outage: bool = False
    """Something is killed meanwhile: the moments of the answers are wanted, and the last answers may take long."""


class Ready(msgspec.Struct, frozen=True):
    """The load process is connected."""

    ready: bool = True

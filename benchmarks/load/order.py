"""What the suite asks of a load process."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Keep operations outstanding for a while, and measure."""

    outstanding: int
    seconds: float
    warm_up: float
    roles: dict[str, list[int]]
    """The processes of the system, whose processor time is read too."""


class Ready(msgspec.Struct, frozen=True):
    """The load process is connected."""

    ready: bool = True

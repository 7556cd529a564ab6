"""What replicas that are slow on purpose have in common: a drawer in which effects lie for a while."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Effect


class Delaying(Strategy):
    """Does some things later."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._held: list[tuple[int, Effect]] = []

    def hold(self, effect: Effect, until: int) -> None:
        """Into the drawer."""
        self._held.append((until, effect))

    def adds(self, now: int) -> Sequence[Effect]:
        """What has been in the drawer long enough."""
        due = [effect for at, effect in self._held if at <= now]
        self._held = [(at, effect) for at, effect in self._held if at > now]
        return due

    def next_deadline(self) -> int | None:
        """When the first one leaves the drawer."""
        return min((at for at, _ in self._held), default=None)

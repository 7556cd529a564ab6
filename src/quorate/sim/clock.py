"""A node's clocks: they start anywhere, run a little fast or slow, and the wall clock may be set."""

from __future__ import annotations

from typing import Final

from quorate.sim.plan import ClockPlan

WALL_START: Final = 1_700_000_000_000_000
"""What a right wall clock shows when a world begins, in microseconds since 1970."""
_MILLION: Final = 1_000_000


class Clock:
    """Turns the world's time into a node's monotonic and wall clock readings, and back."""

    def __init__(self, plan: ClockPlan) -> None:
        self._drift = plan.drift
        self._offset = WALL_START + plan.offset

    def monotonic(self, time: int) -> int:
        """What the node's monotonic clock shows at the world's *time*."""
        return time + time * self._drift // _MILLION

    def wall(self, time: int) -> int:
        """What the node's wall clock shows at the world's *time*."""
        return max(0, self.monotonic(time) + self._offset)

    def time_of(self, monotonic: int) -> int:
        """The first instant of the world at which the node's monotonic clock shows *monotonic* or more."""
        time = max(0, monotonic * _MILLION // (_MILLION + self._drift) - 1)
        while self.monotonic(time) < monotonic:
            time += 1
        return time

    def jump(self, by: int) -> None:
        """Set the wall clock forward, or back when *by* is negative."""
        self._offset += by

"""What a replica knows of whom the primary's proposals reach. See `core/reach.py` for the rules."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Vouched(NamedTuple):
    """A digest for which f + 1 others sent a PREPARE, and when the last of these came."""

    digest: bytes
    since: int


class Reach:
    """What the present view's primary kept from this replica, and what earlier ones did. Times are in microseconds."""

    def __init__(self) -> None:
        self.vouched: dict[int, Vouched] = {}
        """By sequence number, what others have accepted and this backup has not."""
        self.asked = 0
        """Up to which number the others were asked for them."""
        self.asked_at = 0
        """When that was."""
        self.lacking: dict[int, deque[int]] = {}
        """Who lacked what was proposed here, and when it said so."""
        self.is_two_faced = False
        """Whether the primary told this replica something else than it told others (TIMER-6)."""
        self.waited = 0
        """How long this replica has waited for what others had already, of late (TIMER-7)."""
        self.lasted = 0
        """What was counted of that since a proposal came in time."""
        self.counted_until = 0
        """When that was counted last."""
        self.is_unheard = False
        """Whether that is too much."""
        self.left: dict[int, int] = {}
        """The primaries that were left for that, and when."""

    def begin(self) -> None:
        """A view ends, and the next one begins."""
        self.vouched.clear()
        self.lacking.clear()
        self.asked = 0
        self.is_two_faced = False
        self.is_unheard = False
        self.waited = 0
        self.lasted = 0

"""What a replica knows of how fast primaries propose. See `core/pace.py` for the rule."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

GAPS: Final = 13
"""So many gaps of a client tell something, and so many are kept."""
HITCHES: Final = 3
"""So many of them say nothing of the primary."""
CLIENTS_MAX: Final = 64
"""Clients whose gaps are kept: those that asked last."""


class Sample(NamedTuple):
    """A request that came here directly, and waits for its proposal."""

    session: int
    timestamp: int
    since: int


class Ordered(NamedTuple):
    """A sample whose proposal came."""

    sequence_number: int
    client: bytes
    since: int


class Pace:
    """The present view's gaps, and what the primaries of earlier ones showed. Times are in microseconds."""

    def __init__(self) -> None:
        self.samples: dict[bytes, Sample] = {}
        """One request of each client."""
        self.ordered: list[Ordered] = []
        """Those that were proposed, but something before them was not."""
        self.gaps: dict[bytes, deque[int]] = {}
        """For each client how long its samples waited while nothing else was under way."""
        self.agreements: deque[int] = deque(maxlen=GAPS)
        """What the replicas took from the proposal of a sample to its execution."""
        self.proposed: tuple[int, int] | None = None
        """The sequence number of the last sample, and since when the others may have been agreeing on it."""
        self.busy_until = 0
        """When something with requests was executed last."""
        self.shown: dict[int, int] = {}
        """How long the gaps of each replica were when it was the primary last."""
        self.began = 0
        """When the present view began: when the one before it was left."""
        self.left: set[int] = set()
        """Who else has left the present view, or a later one."""
        self.hurried = 0
        """How many samples more are judged with less patience for that."""
        self.is_slow = False

    def note_gap(self, client: bytes, gap: int) -> None:
        """A sample of a client was proposed."""
        gaps = self.gaps.pop(client, None)
        self.gaps[client] = deque(maxlen=GAPS) if gaps is None else gaps  # to the back: it asked last
        self.gaps[client].append(gap)
        if len(self.gaps) > CLIENTS_MAX:
            del self.gaps[next(iter(self.gaps))]

    def means(self) -> list[int]:
        """Of the gaps of each client that has shown enough, without the longest: any primary has a hitch now and then.
        Many short ones do not make up for more: a primary that stops and goes is slow."""
        shown = [sorted(gaps)[:-HITCHES] for gaps in self.gaps.values() if len(gaps) == GAPS]
        return [sum(gaps) // len(gaps) for gaps in shown]

    def note_left(self, replica: int) -> None:
        """Another replica has left this view: once a view that makes this one less patient, for a while."""
        if replica not in self.left:
            self.left.add(replica)
            self.hurried = GAPS

    def begin(self, now: int) -> None:
        """A view ends, and the next one begins."""
        self.began = now
        self.left.clear()
        self.hurried = 0
        self.samples.clear()
        self.ordered.clear()
        self.gaps.clear()
        self.proposed = None
        self.is_slow = False

"""What a client knows of the cluster from authentic replies, and of its own openings. Pure."""

from __future__ import annotations

from typing import Final

from quorate.core.quorum import quorums_of

OPENING_TICKS: Final = 2048
"""Timestamps of openings tick so often in a microsecond: room for chance, until the year 2112."""
CHANCE_BITS: Final = 21
NUMBER_MAX: Final = 2**63 - 1
"""The largest session or timestamp."""


def opening_timestamp(wall: int, chance: int) -> int:
    """When a process opens a session, in ticks: the wall clock's microseconds to the millisecond, and *chance*, that
    many random bits, below it. So two processes that share a key and start at once hardly ever share an opening."""
    return (wall * OPENING_TICKS >> CHANCE_BITS << CHANCE_BITS) + chance


class Openings:
    """The timestamps of one session's openings: the wall clock, as the monotonic clock continues it."""

    def __init__(self, first: int, step: int, ticks: int) -> None:
        self._first = first
        self._ticks = ticks
        self._step = step
        self._started: int | None = None
        self._least = first

    def next(self, now: int) -> int:
        """The timestamp of an opening at *now*; larger than all before."""
        if self._started is None:
            self._started = now
        timestamp = max(self._least, self._first + (now - self._started) * self._ticks)
        self._least = timestamp + 1
        return timestamp

    def pass_by(self, known: int) -> None:
        """The replicas know an opening with this timestamp."""
        self._least = max(self._least, known + self._step)


class Views:
    """Which view the replicas are in, as far as their replies say so."""

    def __init__(self, replica_count: int) -> None:
        self._faults = quorums_of(replica_count).faults
        self._latest = [0] * replica_count
        self.believed = 0
        """The (f + 1)-th largest of the latest views: at least one correct replica got that far, whatever f liars
        say (B13). It never goes back, because no correct replica does."""

    def state(self, replica: int, view: int) -> None:
        """A replica stated its view in an authentic reply."""
        if view > self._latest[replica]:
            self._latest[replica] = view
            self.believed = sorted(self._latest, reverse=True)[self._faults]


def number_of(results: tuple[bytes | None, ...]) -> int | None:
    """The number that eight big-endian bytes stand for: a session, or an opening's timestamp."""
    if len(results) != 1 or results[0] is None or len(results[0]) != 8:
        return None
    number = int.from_bytes(results[0], "big")
    return number if 0 < number <= NUMBER_MAX else None

"""Reads that wait until they can be answered, and what has to hold before they are. Data; the rules are in `reads`."""

from __future__ import annotations

from typing import NamedTuple

from quorate.messages.reads import Read


class WaitingRead(NamedTuple):
    """A READ that came when something here was not committed."""

    read: Read
    size: int
    """The bytes of its frame."""
    until: int
    """When its client has given it up."""


class WaitingReads:
    """Bounded in number, and for each client in number and in bytes, as requests are (C7)."""

    def __init__(self, limit: int, limit_per_client: int, bytes_per_client: int) -> None:
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._bytes_per_client = bytes_per_client
        self._waiting: dict[tuple[bytes, int], WaitingRead] = {}
        self._used: dict[bytes, tuple[int, int]] = {}
        """By client: how many wait, and how many bytes."""
        self.promised = 0
        """The highest sequence number that was ever executed here, tentatively or in an earlier life too: clients may
        have been told of it, so no state before it is read (RO-2)."""
        self.changed_at = 0
        """The last sequence number that may have changed the service's state."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: WaitingRead) -> bool:
        """Let a READ wait; False when there is no place for it. One that waits already does so once."""
        key = (waiting.read.client, waiting.read.nonce)
        count, size = self._used.get(waiting.read.client, (0, 0))
        if key in self._waiting:
            return True
        if len(self) >= self._limit or count >= self._limit_per_client or size + waiting.size > self._bytes_per_client:
            return False
        self._waiting[key] = waiting
        self._used[waiting.read.client] = (count + 1, size + waiting.size)
        return True

    def take_all(self) -> list[Read]:
        """All, in the order of their arrival. None waits any more."""
        taken = [waiting.read for waiting in self._waiting.values()]
        self._waiting.clear()
        self._used.clear()
        return taken

    def take_given_up(self, now: int) -> list[Read]:
        """Those whose clients do not wait for an answer any more."""
        due = [waiting for waiting in self._waiting.values() if waiting.until <= now]
        for waiting in due:
            del self._waiting[waiting.read.client, waiting.read.nonce]
            count, size = self._used.pop(waiting.read.client)
            if count > 1:
                self._used[waiting.read.client] = (count - 1, size - waiting.size)
        return [waiting.read for waiting in due]

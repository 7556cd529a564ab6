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
    """Bounded in number, and for each client in number and in bytes, as requests are (C7). Clients are answered in
    turn, so one that asks much gets no more than the others (RO-8)."""

    def __init__(self, limit: int, limit_per_client: int, bytes_per_client: int) -> None:
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._bytes_per_client = bytes_per_client
        self._waiting: dict[bytes, dict[int, WaitingRead]] = {}
        """By client, the one whose turn it is in front, and by nonce in the order of arrival."""
        self._bytes: dict[bytes, int] = {}
        """How many of them each client has waiting."""
        self._count = 0
        self.promised = 0
        """The highest sequence number that was ever executed here, tentatively or in an earlier life too: clients may
        have been told of it, so no state before it is read (RO-2)."""
        self.changed_at = 0
        """The last sequence number that may have changed the service's state."""

    def __len__(self) -> int:
        return self._count

    def add(self, waiting: WaitingRead) -> bool:
        """Let a READ wait; False when there is no place for it. One that waits already does so once."""
        client, nonce = waiting.read.client, waiting.read.nonce
        of_client = self._waiting.get(client, {})
        count, size = len(of_client), self._bytes.get(client, 0)
        if nonce in of_client:
            return True
        if len(self) >= self._limit or count >= self._limit_per_client or size + waiting.size > self._bytes_per_client:
            return False
        of_client[nonce] = waiting
        self._waiting[client] = of_client
        self._bytes[client] = size + waiting.size
        self._count += 1
        return True

    def take(self) -> Read:
        """The oldest of the client whose turn it is. It waits no more, and the other clients come first."""
        client = next(iter(self._waiting))
        taken = self._take_oldest(client)
        if client in self._waiting:
            self._waiting[client] = self._waiting.pop(client)
        return taken

    def take_all(self) -> list[Read]:
        """All. None waits any more."""
        return [self.take() for _ in range(len(self))]

    def take_given_up(self, now: int) -> list[Read]:
        """Those whose clients do not wait for an answer any more."""
        due = []
        for client, of_client in list(self._waiting.items()):
            while of_client and next(iter(of_client.values())).until <= now:
                due.append(self._take_oldest(client))
        return due

    def _take_oldest(self, client: bytes) -> Read:
        of_client = self._waiting[client]
        taken = of_client.pop(next(iter(of_client)))
        self._bytes[client] -= taken.size
        self._count -= 1
        if not of_client:
            del self._waiting[client], self._bytes[client]
        return taken.read

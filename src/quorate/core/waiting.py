"""Requests that wait for execution (facts 1.7, 3.4; C7).

The order of arrival governs the view-change timer: only the *oldest* waiting request can stop it, so a primary cannot
starve one client while it serves the others (P7). The primary takes requests of each client in turn, so a client with
many sessions gets no more than the others.
"""

from __future__ import annotations

from quorate.core.large_requests import LargeRequests, SessionKey, Waiting
from quorate.messages.protocol import Request

__all__ = ["Waiting", "WaitingRequests"]


class WaitingRequests:
    """At most one request a session, bounded in number, for each client in bytes too, and in all (C7)."""

    def __init__(self, limit: int, limit_per_client: int, bytes_per_client: int) -> None:
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._bytes_per_client = bytes_per_client
        self._counts: dict[bytes, int] = {}
        self._bytes: dict[bytes, int] = {}
        self._entries: dict[SessionKey, Waiting] = {}
        self._ready: dict[bytes, dict[SessionKey, Waiting]] = {}
        self.large = LargeRequests(bytes_per_client)
        self._kept_back: dict[SessionKey, None] = {}
        """Those that were not passed on to the primary: large ones (SEP-4), and many at the beginning of a view."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def has_ready(self) -> bool:
        """Whether a request waits that this view's primary has not ordered yet."""
        return bool(self._ready)

    def add(self, waiting: Waiting, is_ordered: bool = False) -> bool:
        """Let a request wait; False when it already does, or a newer one of its session, or when no place is free.

        `is_ordered`: it came inside a PRE-PREPARE, so the primary need not order it again.
        """
        request = waiting.request
        key = (request.client, request.session)
        present = self._entries.get(key)
        size = self._bytes.get(request.client, 0) + len(waiting.frame) - (len(present.frame) if present else 0)
        if size > self._bytes_per_client:
            return False
        if present is not None:
            if present.request.timestamp >= request.timestamp:
                return False
            self._remove(key)
            self.large.keep(key, present)
        elif len(self._entries) >= self._limit or self._counts.get(request.client, 0) >= self._limit_per_client:
            return False
        self._entries[key] = waiting
        self._counts[request.client] = self._counts.get(request.client, 0) + 1
        self._bytes[request.client] = size
        self.large.add(waiting)
        if not is_ordered:
            self._ready.setdefault(request.client, {})[key] = waiting
        return True

    def get(self, client: bytes, session: int) -> Waiting | None:
        """The waiting request of a session."""
        return self._entries.get((client, session))

    def oldest(self) -> Waiting | None:
        """The request that has waited longest."""
        return next(iter(self._entries.values()), None)

    def oldest_first(self) -> list[Waiting]:
        """All, in the order of their arrival."""
        return list(self._entries.values())

    def take(self, count: int, size: int) -> list[Waiting]:
        """Up to *count* requests of at most *size* bytes in all (at least one), each client in turn. They go on
        waiting for execution."""
        taken: list[Waiting] = []
        while self._ready and len(taken) < count:
            client = next(iter(self._ready))
            sessions = self._ready[client]
            key = next(iter(sessions))
            waiting = sessions[key]
            size -= len(waiting.frame)
            if size < 0 and taken:
                break
            taken.append(waiting)
            del sessions[key]
            del self._ready[client]
            if sessions:
                self._ready[client] = sessions  # to the back: the other clients come first
        return taken

    def mark_ordered(self, request: Request) -> None:
        """A PRE-PREPARE of this view orders it: this view's primary need not order it again."""
        key = (request.client, request.session)
        present = self._entries.get(key)
        if present is not None and present.request.timestamp == request.timestamp:
            self._unready(key)

    def forget(self, client: bytes) -> None:
        """Nothing of this client waits any more: it has to ask again."""
        for key in [key for key in self._entries if key[0] == client]:
            self._remove(key)

    def executed(self, request: Request) -> None:
        """The session has executed this timestamp: what waits up to it is done or superseded."""
        key = (request.client, request.session)
        present = self._entries.get(key)
        if present is not None and present.request.timestamp <= request.timestamp:
            self._remove(key)
        self.large.executed(key, request.timestamp)

    @property
    def has_kept_back(self) -> bool:
        """Whether a request waits that was not passed on to the primary."""
        return bool(self._kept_back)

    def keep_back(self, request: Request) -> None:
        """A request that waits is not passed on to the primary yet (SEP-4)."""
        self._kept_back[request.client, request.session] = None

    def take_kept_back(self, request: Request) -> bool:
        """Whether the request of this session was kept back and is to be passed on now: this view's primary has not
        ordered it. It is kept back no longer."""
        key = (request.client, request.session)
        was_kept_back = key in self._kept_back
        self._kept_back.pop(key, None)
        return was_kept_back and key in self._ready.get(request.client, ())

    def take_all_kept_back(self, count: int) -> list[Waiting]:
        """Up to *count* of these are looked at; those that are to be passed on now."""
        keys = list(self._kept_back)[:count]
        return [self._entries[key] for key in keys if self.take_kept_back(self._entries[key].request)]

    def reorder_all(self) -> None:
        """A new view begins: everything that waits has to be ordered by the new primary, and is passed on to it."""
        self._kept_back.clear()
        self._ready = {}
        for key, waiting in self._entries.items():
            self._ready.setdefault(waiting.request.client, {})[key] = waiting

    def _remove(self, key: SessionKey) -> None:
        removed = self._entries.pop(key)
        self._counts[key[0]] -= 1
        self._bytes[key[0]] -= len(removed.frame)
        if not self._counts[key[0]]:
            del self._counts[key[0]], self._bytes[key[0]]
        self._kept_back.pop(key, None)
        self.large.remove(key, removed)
        self._unready(key)

    def _unready(self, key: SessionKey) -> None:
        sessions = self._ready.get(key[0])
        if sessions is not None and sessions.pop(key, None) is not None and not sessions:
            del self._ready[key[0]]

"""What one connection has said about itself so far: database, protocol, name, replies, transaction, watched keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from quorate.gateways.resp.scanner import Command
from quorate.gateways.resp.users import User, Users
from quorate.services.redis.operation import Protocol

WatchedKey = tuple[int, bytes]
"""A database and a key in it."""
WATCHED_KEY_OVERHEAD: Final = 32
"""Bytes that a watched key costs beyond its name, in an operation and here."""


def size_of_watched(keys: Iterable[WatchedKey]) -> int:
    """What it costs to watch *keys*."""
    return sum(WATCHED_KEY_OVERHEAD + len(key) for _, key in keys)


@dataclass(slots=True)
class Queue:
    """The commands between MULTI and EXEC."""

    commands: list[Command] = field(default_factory=list)
    size: int = 0
    """The bytes of all commands."""
    is_broken: bool = False
    """A command was refused when it came: EXEC will refuse the whole."""


@dataclass(slots=True)
class Session:
    """The state of one connection. It lives in the gateway; the replicas never see it."""

    number: int
    address: str
    local_address: str
    opened_at: float
    active_at: float
    user: User
    is_authenticated: bool
    """Else nothing but AUTH, HELLO, RESET and QUIT is answered."""
    protocol: Protocol = 2
    database: int = 0
    name: bytes = b""
    library_name: bytes = b""
    library_version: bytes = b""
    are_replies_off: bool = False
    """CLIENT REPLY OFF: no replies until ON."""
    is_reply_skipped: bool = False
    """CLIENT REPLY SKIP came before the present command, whose reply is not sent."""
    is_next_skipped: bool = False
    """CLIENT REPLY SKIP is the present command, or part of the present transaction."""
    queue: Queue | None = None
    """None outside of a transaction."""
    watched: dict[WatchedKey, int] = field(default_factory=dict)
    """The version that each watched key had when it was first watched."""
    watched_bytes: int = 0
    is_watch_lost: bool = False
    """A WATCH got no answer, or not yet. EXEC must not run as if nothing had been watched."""

    def audible(self, reply: bytes) -> bytes:
        """*reply*, or nothing while replies are not sent."""
        return b"" if self.are_replies_off or self.is_reply_skipped else reply

    def begin_command(self) -> None:
        """A command is about to be handled, or a run of them."""
        self.is_reply_skipped, self.is_next_skipped = self.is_next_skipped, False

    def watch(self, keys: Sequence[WatchedKey], versions: Sequence[int]) -> None:
        """Remember the version of each key."""
        self.watched.update(zip(keys, versions, strict=True))
        self.watched_bytes += size_of_watched(keys)

    def unwatch(self) -> None:
        """Forget all watched keys."""
        self.watched.clear()
        self.watched_bytes = 0
        self.is_watch_lost = False

    def end_transaction(self) -> None:
        """The transaction is over, executed or not."""
        self.queue = None
        self.unwatch()

    def reset(self) -> None:
        """As if the connection were new."""
        self.end_transaction()
        self.are_replies_off = self.is_next_skipped = False
        self.protocol, self.database, self.name = 2, 0, b""

    def become(self, user: User) -> None:
        """AUTH succeeded."""
        self.user, self.is_authenticated = user, True


class Roster:
    """The open sessions of one gateway."""

    def __init__(self, clock: Callable[[], float], users: Users) -> None:
        self.clock = clock
        self.users = users
        self.sessions: dict[int, Session] = {}
        self._last_number = 0

    def open(self, address: str = "", local_address: str = "") -> Session:
        """A session of its own number for a new connection."""
        self._last_number += 1
        now = self.clock()
        session = Session(
            self._last_number, address, local_address, now, now, self.users.default, is_authenticated=self.users.is_open
        )
        self.sessions[session.number] = session
        return session

    def close(self, session: Session) -> None:
        """The connection is gone."""
        self.sessions.pop(session.number, None)

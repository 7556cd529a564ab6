"""What comes in is opened and checked here; what does not hold is counted and goes no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quorate.core.ports import Authenticator, Opened
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.protocol import (
    BackupPieces,
    Checkpoint,
    FetchBackup,
    Inspect,
    Inspection,
    Message,
    NewKey,
    NewView,
    PrePrepare,
    Reply,
    Request,
    ViewChange,
)
from quorate.messages.reads import Read, ReadReply
from quorate.runtime.ports import Link, Peer

FORWARDABLE: Final = (PrePrepare, ViewChange, Checkpoint, NewView, NewKey)
"""What a replica may send in another's name, whose authentication it carries: retransmission by any peer needs it."""
REFUSALS_MAX: Final = 256
"""Pairs of peer and reason that are told apart; any further ones are counted together."""
OTHERS: Final = "others"


class Refusals:
    """How many frames were refused, by peer and reason."""

    def __init__(self, report: Callable[[str, str, int], None]) -> None:
        self._report = report
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, peer: str, reason: str, number: int = 1) -> None:
        """Count it and report it: peer, reason, how many by now."""
        key = (peer, reason)
        if key not in self._counts and len(self._counts) >= REFUSALS_MAX:
            key = (OTHERS, OTHERS)
        total = self._counts[key] = self._counts.get(key, 0) + number
        self._report(*key, total)

    def rows(self) -> list[dict[str, object]]:
        """For `quorate status`."""
        return [
            {"peer": peer, "reason": reason, "count": count} for (peer, reason), count in sorted(self._counts.items())
        ]


class Reception:
    """Opens frames. Nothing that is malformed, not authentic or sent by the wrong peer passes."""

    def __init__(self, authenticator: Authenticator, refusals: Refusals) -> None:
        self._authenticator = authenticator
        self.refusals = refusals

    def open(self, link: Link, frame: bytes) -> Opened | None:
        """The message of *frame*; None when it was refused."""
        try:
            opened = self._authenticator.open(frame)
        except MalformedMessage:
            self.refusals.count(link.peer.name, "malformed")
            return None
        except AuthenticationFailed as error:
            self.refusals.count(link.peer.name, str(error))
            return None
        if not may_bring(link.peer, opened.message):
            self.refusals.count(link.peer.name, f"{type(opened.message).__name__} of another sender")
            return None
        return opened


def may_bring(peer: Peer, message: Message) -> bool:
    """Whether *message*, which is authentic, may come by the link of *peer*.

    A client brings its own messages. A replica brings its own, those that are forwardable, and clients' requests;
    replies are not for replicas.
    """
    kind = type(message)  # exact types: this runs for every frame, and isinstance of a struct is slow
    if kind is Request:
        return peer.replica_id is not None or message.client == peer.public_key  # type: ignore[union-attr]
    if kind is Inspect or kind is FetchBackup or kind is Read:
        return message.client == peer.public_key  # type: ignore[union-attr]
    if kind is Reply or kind is ReadReply or kind is Inspection or kind is BackupPieces:
        return False
    sender = message.replica  # type: ignore[union-attr]
    return peer.replica_id is not None and (sender == peer.replica_id or kind in FORWARDABLE)

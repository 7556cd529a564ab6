"""What the rules want done, in order. Whoever drives the core does it in that order: a `Persist` that stands before a
`Send` is on disk before the bytes leave."""

from __future__ import annotations

from typing import NamedTuple

from quorate.messages.protocol import BackupPieces, Message, Reply
from quorate.messages.reads import ReadReply
from quorate.messages.records import Record


class Persist(NamedTuple):
    """Keep this record."""

    record: Record


class Broadcast(NamedTuple):
    """Send this frame to all other replicas."""

    message: Message
    frame: bytes


class Send(NamedTuple):
    """Send this frame to one other replica. `message` is what the frame holds."""

    receiver: int
    message: Message
    frame: bytes


class SendReply(NamedTuple):
    """Send this reply, these answers, or these pieces of a backup, to the client that they name."""

    message: Reply | ReadReply | BackupPieces
    frame: bytes


class CloseLinks(NamedTuple):
    """Close the links of this client: it was revoked."""

    client: bytes


class Trace(NamedTuple):
    """Something that an operator or a test may want to know. Never needed for the protocol."""

    event: str
    details: dict[str, object]


Effect = Persist | Broadcast | Send | SendReply | CloseLinks | Trace

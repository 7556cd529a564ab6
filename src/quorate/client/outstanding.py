"""A request on its way, and the answers to it. Pure."""

from __future__ import annotations

from enum import Enum, auto

from quorate.client.votes import Votes
from quorate.core.quorum import Quorums, designated_of
from quorate.messages.protocol import Request


class Step(Enum):
    """What is outstanding."""

    OPENING = auto()
    REQUEST = auto()
    ACCESS = auto()
    """A request of session 0 that concerns the access table."""


class Outstanding:
    """What was sent, when to send it again, and what came back."""

    __slots__ = (
        *("began", "deadline", "designated", "frame", "interval", "is_signed", "request", "step", "votes", "whole_due"),
        "was_asked_whole",
    )

    def __init__(
        self,
        step: Step,
        request: Request,
        frame: bytes,
        is_signed: bool,
        quorums: Quorums,
        has_read_only_path: bool,
        now: int,
        interval: int,
    ) -> None:
        self.step = step
        self.request = request
        self.frame = frame
        self.is_signed = is_signed
        """Whether the frame was sealed to be signed, whatever the policy."""
        self.votes = Votes(quorums, has_read_only_path)
        self.began = now
        self.deadline = now + interval
        """When to send it to all, unless it is answered before."""
        self.interval = interval
        self.designated = designated_of(request.client, request.session, request.timestamp, quorums.replica_count)
        """Who sends the results whole, if they are large."""
        self.whole_due: int | None = None
        """Until when these are waited for, once enough replicas agree on their digest."""
        self.was_asked_whole = False
        """Whether all replicas were asked for them (DIG-4)."""

    def lacks_results(self, now: int) -> bool:
        """Whether enough replicas agree, and nobody has said on what; the designated one is given as long again as it
        took them."""
        if self.was_asked_whole or self.votes.agreed() is None:
            return False
        if self.whole_due is None:
            self.whole_due = 2 * now - self.began
        return True

    def next_deadline(self) -> int:
        """When to look again."""
        if self.whole_due is None or self.was_asked_whole:
            return self.deadline
        return min(self.deadline, self.whole_due)

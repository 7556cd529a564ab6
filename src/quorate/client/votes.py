"""What the replicas answer to one request, and when that can be believed. Pure."""

from __future__ import annotations

from typing import NamedTuple

from quorate.core.quorum import Quorums
from quorate.messages.digests import are_large, reply_digest
from quorate.messages.protocol import Reply

Results = tuple[bytes | None, ...]


class Ballot(NamedTuple):
    """What a reply says, apart from what may differ between correct replicas."""

    outcome: int
    results: Results


class Vote(NamedTuple):
    """A replica's latest reply."""

    said: Ballot | bytes
    """The digest of a ballot whose results are large, otherwise the ballot."""
    ballot: Ballot | None
    """None: only the digest came."""
    view: int
    is_tentative: bool


class Votes:
    """The answers to one request: one vote a replica, its latest (B13)."""

    def __init__(self, quorums: Quorums, has_read_only_path: bool = False) -> None:
        self._quorums = quorums
        self._has_read_only_path = has_read_only_path
        self._votes: dict[int, Vote] = {}

    def take(self, reply: Reply) -> None:
        """Count an authentic reply to the request. A digest counts as what it is the digest of (DIG-3)."""
        said: Ballot | bytes
        if isinstance(reply.results, bytes):
            said, ballot = reply.results, None
            before = self._votes.get(reply.replica)
            if before is not None and before.said == said:
                ballot = before.ballot
        else:
            said = ballot = Ballot(reply.outcome, reply.results)
            if are_large(reply.results):
                said = reply_digest(reply.outcome, reply.results)
        self._votes[reply.replica] = Vote(said, ballot, reply.view, reply.is_tentative)

    def has_heard(self, replica: int) -> bool:
        """Whether this replica has said anything."""
        return replica in self._votes

    def has_whole(self, replica: int) -> bool:
        """Whether this replica has said what the results are."""
        return replica in self._votes and self._votes[replica].ballot is not None

    def replies_needed(self) -> int:
        """How many equal replies of replicas that have committed it make a certificate: f + 1 (OSDI'99 4.1); a quorum
        where a quorum answers reads without ordering them, so that a correct replica is in both (RO-5)."""
        return self._quorums.quorum if self._has_read_only_path else self._quorums.weak

    def tentative_replies_needed(self) -> int:
        """How many, where some are tentative: a quorum, so f + 1 correct replicas prepared it (OSDI'99 5.1)."""
        return self._quorums.quorum

    def certified(self) -> Ballot | None:
        """What enough replicas say alike, if one of them says it whole (DIG-3)."""
        said = self.agreed()
        if not isinstance(said, bytes):
            return said
        return next((vote.ballot for vote in self._votes.values() if vote.said == said and vote.ballot), None)

    def agreed(self) -> Ballot | bytes | None:
        """What enough replicas say alike. Tentative replies go together only if they are of one view (TENT-4)."""
        votes = list(self._votes.values())
        for vote in votes if len(votes) >= self.replies_needed() else ():
            alike = [other for other in votes if other.said == vote.said]
            committed = sum(1 for other in alike if not other.is_tentative)
            prepared = sum(1 for other in alike if other.is_tentative and other.view == vote.view)
            if committed >= self.replies_needed() or committed + prepared >= self.tentative_replies_needed():
                return vote.said
        return None

"""B7: a replica whose VIEW-CHANGEs prove what never prepared, with the signatures of all traitors and old votes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Opened
from quorate.core.quorum import primary_of
from quorate.messages.codec import without_attachments
from quorate.messages.protocol import Prepare, PreparedClaim, PrePrepare, ViewChange

KEPT = 512
"""Votes of others that it remembers."""


class ForgeCertificates(Strategy):
    """A certificate has as many frames as it needs: the traitors' own for a digest of theirs, correct replicas' for
    that digest if there are any, and to fill it up their votes for other digests, or the traitors' once more."""

    row = "B7"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._votes: list[tuple[PrePrepare | Prepare, bytes]] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Keep what others signed."""
        if isinstance(opened.message, PrePrepare | Prepare):
            self._votes.append((opened.message, without_attachments(opened.frame)))
            del self._votes[:-KEPT]
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """A VIEW-CHANGE with a proof in it that is none."""
        if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, ViewChange):
            return (effect,)
        message = effect.message
        above = [vote for vote, _ in self._votes if vote.sequence_number > message.low_watermark]
        if not self.tools.is_own(message) or not above:
            return (effect,)
        claim = self._claim(self.tools.random.choice(above), message)
        kept = [other for other in message.prepared if other.sequence_number != claim.sequence_number]
        forged = sorted([*kept, claim], key=lambda held: held.sequence_number)
        return (self.tools.instead(effect, replace(message, prepared=tuple(forged))),)

    def _claim(self, vote: PrePrepare | Prepare, message: ViewChange) -> PreparedClaim:
        """This vote's digest, or another one, prepared in its view."""
        digest = self.tools.random.choice((vote.digest, self.tools.digest()))
        view = min(vote.view, message.view - 1)
        return PreparedClaim(vote.sequence_number, digest, view, self._certificate(view, vote.sequence_number, digest))

    def _certificate(self, view: int, number: int, digest: bytes) -> tuple[bytes, ...]:
        primary = primary_of(view, self.tools.quorums.replica_count)
        forged = [
            authenticator.seal((PrePrepare if replica == primary else Prepare)(view, number, digest, replica))
            for replica, authenticator in sorted(self.tools.conspiracy.authenticators.items())
        ]
        matching = [
            frame
            for vote, frame in self._votes
            if (vote.view, vote.sequence_number, vote.digest) == (view, number, digest)
        ]
        filling = self.tools.random.choices([*forged, *(frame for _, frame in self._votes)], k=REPEATED)
        return tuple([*forged, *matching, *filling][: self.tools.quorums.quorum])


REPEATED = 64
"""More than any quorum."""

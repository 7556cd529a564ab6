"""What follows from a set S of VIEW-CHANGEs: one pure function, called by the new primary that makes a NEW-VIEW and by
every backup that checks it (OSDI'00 section 4; facts 2.4 to 2.6).

Why it is safe. Any quorum S shares a correct replica with the quorum that committed a digest, and P of that replica
names it. A1 says that no other digest can have committed in a later view; A2 that a correct replica really
pre-prepared this one, so that it is authentic and its body is to be had. Null is chosen only when a quorum *that still
remembers the number* (h < n) has nothing prepared there. Every count is of distinct senders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quorate.core.quorum import Quorums
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import CheckpointClaim, Chosen, PreparedClaim, ViewChange


class Choice(NamedTuple):
    """The checkpoint to start from, and the digest of each sequence number above it; null ones at the end left out."""

    checkpoint: CheckpointClaim
    chosen: tuple[Chosen, ...]

    @property
    def covered(self) -> int:
        """The highest sequence number that the choice speaks of."""
        return self.chosen[-1].sequence_number if self.chosen else self.checkpoint.sequence_number


class Undecided(NamedTuple):
    """S does not say yet; more VIEW-CHANGEs will."""

    reason: str


def compute_new_view(view_changes: Sequence[ViewChange], quorums: Quorums, window: int) -> Choice | Undecided:
    """The choice that S = *view_changes* determines. The senders must be distinct, the contents possible (VC-3)."""
    if len({message.replica for message in view_changes}) != len(view_changes):
        return Undecided("a sender is counted once")
    checkpoint = choose_checkpoint(view_changes, quorums)
    if checkpoint is None:
        return Undecided("no checkpoint is vouched for yet")
    known = _Known(view_changes)
    chosen: list[Chosen] = []
    highest = max(known.prepared, default=0)
    for sequence_number in range(checkpoint.sequence_number + 1, min(highest, checkpoint.sequence_number + window) + 1):
        digest = choose_digest(sequence_number, known, quorums)
        if digest is None:
            return Undecided(f"sequence number {sequence_number} is not determined yet")
        chosen.append(Chosen(sequence_number, digest))
    # A null that rule A chose may have committed: only nulls that nobody prepared may be left out.
    while chosen and chosen[-1].digest == NULL_DIGEST and not _was_null_prepared(chosen[-1], known):
        chosen.pop()
    return Choice(checkpoint, tuple(chosen))


def choose_checkpoint(view_changes: Sequence[ViewChange], quorums: Quorums) -> CheckpointClaim | None:
    """NV-1: the largest (n, d) such that a quorum of S has h <= n, over the whole of S, and f + 1 have (n, d) in C."""
    vouchers: dict[tuple[int, bytes], set[int]] = {}
    for message in view_changes:
        for claim in message.checkpoints:
            vouchers.setdefault((claim.sequence_number, claim.digest), set()).add(message.replica)
    for (sequence_number, digest), replicas in sorted(vouchers.items(), reverse=True):
        reached = sum(1 for message in view_changes if message.low_watermark <= sequence_number)
        if reached >= quorums.quorum and len(replicas) >= quorums.weak:
            return CheckpointClaim(sequence_number, digest)
    return None


class _Known:
    """P and Q of S, arranged by sequence number: prepared[n][sender] is a claim, pre_prepared[n][sender] a dict from
    digest to its latest view."""

    def __init__(self, view_changes: Sequence[ViewChange]) -> None:
        self.low_watermarks = [message.low_watermark for message in view_changes]
        self.prepared: dict[int, dict[int, PreparedClaim]] = {}
        self.pre_prepared: dict[int, dict[int, dict[bytes, int]]] = {}
        for message in view_changes:
            for claim in message.prepared:
                self.prepared.setdefault(claim.sequence_number, {})[message.replica] = claim
            for named in message.pre_prepared:
                views = self.pre_prepared.setdefault(named.sequence_number, {}).setdefault(message.replica, {})
                views[named.digest] = max(named.view, views.get(named.digest, 0))


def choose_digest(sequence_number: int, known: _Known, quorums: Quorums) -> bytes | None:
    """NV-A, NV-B: the digest for n, the null request's when nothing can have prepared, None when S does not say."""
    claims = known.prepared.get(sequence_number, {})
    # Those that still remember the number; a sender that claims it in P does (VC-3).
    remembering = sum(1 for low_watermark in known.low_watermarks if low_watermark < sequence_number)
    for view, digest in sorted({(claim.view, claim.digest) for claim in claims.values()}, reverse=True):
        contradicting = sum(
            1 for claim in claims.values() if claim.view > view or (claim.view == view and claim.digest != digest)
        )
        is_unopposed = remembering - contradicting >= quorums.quorum  # A1
        if is_unopposed and _witnesses(sequence_number, digest, view, known) >= quorums.weak:  # A2
            return digest
    if remembering - len(claims) >= quorums.quorum:  # B
        return NULL_DIGEST
    return None


def _witnesses(sequence_number: int, digest: bytes, view: int, known: _Known) -> int:
    named = known.pre_prepared.get(sequence_number, {})
    return sum(1 for views in named.values() if views.get(digest, -1) >= view)


def _was_null_prepared(chosen: Chosen, known: _Known) -> bool:
    return any(claim.digest == NULL_DIGEST for claim in known.prepared.get(chosen.sequence_number, {}).values())

"""The message log: what a replica has seen and said of every sequence number in its window (OSDI'99 4.2, 4.3).

A slot records facts; `normal_case.advance` draws the conclusions. Votes are held by sender, at most one each.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from quorate.core.quorum import Quorums
from quorate.errors import MalformedMessage, require
from quorate.messages.codec import decode, decode_batch, decode_envelope
from quorate.messages.digests import DIGEST_BYTES, NULL_DIGEST, batch_digest, request_digest
from quorate.messages.protocol import PreparedClaim, Request

HISTORY_BYTES_MAX: Final = 64 << 20
"""Batches kept below the low watermark for laggards, in bytes."""
NO_VIEW: Final = -1


class OpenBatch(NamedTuple):
    """A batch, decoded: its digest is that of its contents; whether its requests are authentic is not said."""

    digest: bytes
    time: int
    requests: tuple[Request, ...]
    frames: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    data: bytes


class Slim(NamedTuple):
    """What came beside a PRE-PREPARE, decoded, when it has digests in the place of large requests."""

    digest: bytes
    time: int
    entries: tuple[bytes, ...]
    """Frames and digests."""
    requests: tuple[Request, ...]
    frames: tuple[bytes, ...]
    """Those that are there."""
    digests: tuple[bytes, ...]
    """Of all requests."""
    data: bytes


def open_batch(data: bytes) -> OpenBatch:
    """Decode a batch and compute its digest. Raises MalformedMessage."""
    batch = open_proposal(data)
    if isinstance(batch, Slim):
        raise MalformedMessage("a batch holds its requests; digests stand beside a PRE-PREPARE only")
    return batch


def open_proposal(data: bytes) -> OpenBatch | Slim:
    """Decode what travels beside a PRE-PREPARE (SEP-1). Raises MalformedMessage."""
    batch = decode_batch(data)
    requests: list[Request] = []
    frames: list[bytes] = []
    digests: list[bytes] = []
    for entry in batch.requests:
        if len(entry) == DIGEST_BYTES:  # no request is as short
            digests.append(entry)
            continue
        payload = decode_envelope(entry).payload
        request = decode(payload)
        if not isinstance(request, Request):
            raise MalformedMessage(f"a batch orders requests, not a {type(request).__name__}")
        requests.append(request)
        frames.append(entry)
        digests.append(request_digest(payload))
    digest, known, all_digests = batch_digest(batch.time, digests), tuple(requests), tuple(digests)
    if len(frames) == len(digests):
        return OpenBatch(digest, batch.time, known, batch.requests, all_digests, data)
    return Slim(digest, batch.time, batch.requests, known, tuple(frames), all_digests, data)


class Vote(NamedTuple):
    """A PREPARE or COMMIT of one sender. `frame` is kept only where certificates travel."""

    view: int
    digest: bytes
    frame: bytes


class Phase(IntEnum):
    """How far a slot has come in its view. Only grows within a view."""

    EMPTY = 0
    PRE_PREPARED = 1
    PREPARED = 2
    COMMITTED = 3


class Slot:
    """One sequence number: the digest accepted for it in the current view, and the votes of that view."""

    __slots__ = (
        "claims",
        "commits",
        "committed",
        "decided",
        "digest",
        "early_commits",
        "early_prepares",
        "frame",
        "parked",
        "phase",
        "prepares",
        "proposal",
        "sequence_number",
    )

    def __init__(self, sequence_number: int) -> None:
        self.sequence_number = sequence_number
        self.digest: bytes | None = None
        self.phase = Phase.EMPTY
        self.frame = b""
        """The PRE-PREPARE as it came, with its batch; empty when a NEW-VIEW chose the digest."""
        self.proposal = b""
        """Where everything is signed: the primary's signed PRE-PREPARE, without its batch."""
        self.prepares: dict[int, Vote] = {}
        self.commits: dict[int, Vote] = {}
        self.early_prepares: dict[int, Vote] = {}
        """Votes for views not entered yet: the newest view a sender."""
        self.early_commits: dict[int, Vote] = {}
        self.parked: Parked | None = None
        self.decided: bytes | None = None
        """The digest that is committed: this replica's conclusion, or f+1 DECIDED claims. Outlives views."""
        self.committed: bytes | None = None
        """The same, where it was this replica's conclusion: in a view that it was in, so every later one keeps it."""
        self.claims: dict[int, bytes] = {}

    def enter_view(self, view: int) -> None:
        """Forget the votes of the view that was left; count those that came early for *view*."""
        self.digest = None
        self.phase = Phase.EMPTY
        self.frame = b""
        self.proposal = b""
        self.parked = None
        self.prepares = {sender: vote for sender, vote in self.early_prepares.items() if vote.view == view}
        self.commits = {sender: vote for sender, vote in self.early_commits.items() if vote.view == view}
        self.early_prepares = {s: vote for s, vote in self.early_prepares.items() if vote.view > view}
        self.early_commits = {s: vote for s, vote in self.early_commits.items() if vote.view > view}


class Parked(NamedTuple):
    """A PRE-PREPARE that waits: a request is not here or cannot be authenticated here yet, or its time is too far
    ahead."""

    digest: bytes
    batch: OpenBatch | Slim
    frame: bytes
    since: int
    """When it came."""
    reconsider_at: int | None = None


class HeldBatch(NamedTuple):
    """A batch and the latest sequence number that needs it."""

    batch: OpenBatch
    sequence_number: int


class MessageLog:
    """The slots between the watermarks, the sets P and Q, the bodies that they name, and some history below."""

    def __init__(self, window: int, quorums: Quorums) -> None:
        self.window = window
        self.quorums = quorums
        self.low_watermark = 0
        self.slots: dict[int, Slot] = {}
        self.prepared_claims: dict[int, PreparedClaim] = {}
        """P: by sequence number, the digest that prepared here in the latest view."""
        self.pre_prepared_claims: dict[int, dict[bytes, int]] = {}
        """Q: by sequence number, each digest that was pre-prepared here and the latest view of it."""
        self.highest_proposed = 0
        """The highest sequence number with a digest in the current view."""
        self.chosen: dict[int, tuple[bytes, bytes]] = {}
        """What the NEW-VIEW of the current view chose, by sequence number: the digest and, where everything is signed,
        the primary's PRE-PREPARE."""
        self.covered = 0
        """The highest sequence number that this NEW-VIEW speaks of: PRE-PREPAREs of the view are for those above."""
        self.batches: dict[bytes, HeldBatch] = {}
        self.history: dict[int, bytes] = {}
        """Decided digests at and below the low watermark, oldest first, for laggards."""
        self._history_bytes = 0
        null = open_batch(b"\x92\x00\x90")
        self._null_batch = HeldBatch(null, 0)

    @property
    def high_watermark(self) -> int:
        """H = h + L."""
        return self.low_watermark + self.window

    def in_window(self, sequence_number: int) -> bool:
        """h < n <= H."""
        return self.low_watermark < sequence_number <= self.low_watermark + self.window

    def slot(self, sequence_number: int) -> Slot:
        """The slot of a sequence number inside the window."""
        slot = self.slots.get(sequence_number)
        if slot is None:
            slot = self.slots[sequence_number] = Slot(sequence_number)
        return slot

    def choose(self, covered: int, chosen: dict[int, tuple[bytes, bytes]]) -> None:
        """The current view begins with this choice: its numbers are given to nothing else in this view (NV-7)."""
        kept = all(slot.committed is None or number <= covered for number, slot in self.slots.items())
        require(kept, "a new view covers what committed here")
        self.covered = covered
        self.chosen = chosen

    def admit_chosen(self) -> list[int]:
        """Give slots of the window the digests that were chosen for them; returns those that had none yet.

        A decision that DECIDED claims told of may be of this view or a later one, and this choice another than the one
        it was made under: the view was entered late, or its primary signed two. Nothing is said against it here."""
        admitted: list[int] = []
        for sequence_number, (digest, proposal) in self.chosen.items():
            if not self.in_window(sequence_number):
                continue
            slot = self.slot(sequence_number)
            if slot.digest is not None:
                continue
            require(slot.committed in (None, digest), "a new view keeps what committed here")
            if slot.decided not in (None, digest):
                continue
            slot.digest = digest
            slot.proposal = proposal
            self.highest_proposed = max(self.highest_proposed, sequence_number)
            admitted.append(sequence_number)
        return admitted

    def batch(self, digest: bytes) -> OpenBatch | None:
        """The body of a digest, if held. The null request's always is."""
        if digest == NULL_DIGEST:
            return self._null_batch.batch
        held = self.batches.get(digest)
        return None if held is None else held.batch

    def hold(self, batch: OpenBatch, sequence_number: int) -> bool:
        """Keep a body until the low watermark passes *sequence_number*; False when that is so already."""
        held = self.batches.get(batch.digest)
        if held is not None and held.sequence_number >= sequence_number:
            return False
        self.batches[batch.digest] = HeldBatch(batch, sequence_number)
        return True

    def note_pre_prepared(self, sequence_number: int, digest: bytes, view: int) -> None:
        """Put (n, d, v) into Q. Bounded: the newest digest and the f + 2 before it (facts 2.3)."""
        claims = self.pre_prepared_claims.setdefault(sequence_number, {})
        claims.pop(digest, None)
        claims[digest] = view
        if len(claims) > self.quorums.faults + 3:
            del claims[next(iter(claims))]

    def decided_digest(self, sequence_number: int) -> bytes | None:
        """What is decided for a sequence number, in the window or in the history."""
        slot = self.slots.get(sequence_number)
        return slot.decided if slot is not None else self.history.get(sequence_number)

    def is_prepared(self, slot: Slot) -> bool:
        """prepared(m, v, n, i): the PRE-PREPARE and quorum - 1 matching PREPAREs of distinct backups (PREP-1)."""
        digest = slot.digest
        matching = sum(1 for vote in slot.prepares.values() if vote.digest == digest)
        return matching >= self.quorums.quorum - 1

    def unprepared_requests(self) -> list[tuple[Request, bytes]]:
        """The requests in PRE-PREPAREs of this view that did not prepare here, and their frames."""
        unprepared = (slot for slot in self.slots.values() if slot.phase is Phase.PRE_PREPARED and slot.frame)
        batches = (self.batch(slot.digest) for slot in unprepared if slot.digest is not None)
        return [pair for batch in batches if batch for pair in zip(batch.requests, batch.frames, strict=True)]

    def is_committed_local(self, slot: Slot) -> bool:
        """committed-local(m, v, n, i): prepared, and a quorum of matching COMMITs (COM-1)."""
        digest = slot.digest
        matching = sum(1 for vote in slot.commits.values() if vote.digest == digest)
        return slot.phase >= Phase.PREPARED and matching >= self.quorums.quorum

    def move_low_watermark(self, sequence_number: int) -> None:
        """h := n. Drop slots, P, Q and bodies at and below it; keep a bounded history for laggards (GC-1)."""
        for number in sorted(number for number in self.slots if number <= sequence_number):
            decided = self.slots.pop(number).decided
            if decided is not None:
                self._remember(number, decided)
        above = sequence_number + 1
        self.prepared_claims = {n: claim for n, claim in self.prepared_claims.items() if n >= above}
        self.pre_prepared_claims = {n: claims for n, claims in self.pre_prepared_claims.items() if n >= above}
        self.low_watermark = sequence_number
        self._trim_history()
        kept = set(self.history.values())
        self.batches = {
            digest: held
            for digest, held in self.batches.items()
            if held.sequence_number > sequence_number or digest in kept
        }

    def _remember(self, sequence_number: int, digest: bytes) -> None:
        self.history[sequence_number] = digest
        self._history_bytes += self._bytes_of(digest)

    def _trim_history(self) -> None:
        oldest_kept = self.low_watermark - self.window
        while self.history:
            number = next(iter(self.history))
            if number > oldest_kept and self._history_bytes <= HISTORY_BYTES_MAX:
                return
            self._history_bytes -= self._bytes_of(self.history.pop(number))

    def _bytes_of(self, digest: bytes) -> int:
        held = self.batches.get(digest)
        return 0 if held is None else len(held.batch.data)

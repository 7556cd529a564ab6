"""A fetch of a checkpoint, on its way."""

from __future__ import annotations

from typing import Final

from quorate.core.report import Progress
from quorate.core.tables import TablesSnapshot
from quorate.messages.tree import Path


class Transfer:
    """One fetch: what is wanted, what was asked of whom, and what has come."""

    def __init__(self, sequence_number: int, digest: bytes, base: int) -> None:
        self.sequence_number: Final = sequence_number
        self.digest: Final = digest
        self.base: Final = base
        """The own checkpoint that nodes are compared with."""
        self.tables: TablesSnapshot | None = None
        self.service_digest = b""
        self.wanted: dict[Path, bytes] = {}
        """Nodes that differ and were not asked for yet, with the digests that their parents vouch for."""
        self.asked: dict[Path, tuple[bytes, int, int]] = {}
        """Nodes asked for: digest, peer, and when to ask somebody else."""
        self.leaves: dict[Path, bytes] = {}
        self.rests: dict[int, int] = {}
        """Until when each peer is not asked again."""
        self.root_due = 0
        self.restarts_at = 0
        """When a newer checkpoint is looked for, unless something comes before."""
        self.fetched_bytes = 0
        self.fetched_nodes = 0

    def is_unanswered(self, now: int) -> bool:
        """Whether nobody sent the root entry in time: perhaps nobody holds this checkpoint any more (a NEW-VIEW may
        name one that its view has long passed). Nothing is lost by looking for a newer one."""
        return self.tables is None and now >= self.root_due

    def pauses(self, now: int) -> list[int]:
        """How long it is until peers that rest may be asked for what is wanted."""
        return [until - now for until in self.rests.values() if until > now] if self.wanted else []

    def progress(self) -> Progress:
        """How far it is, for people."""
        outstanding = len(self.wanted) + len(self.asked)
        return Progress(self.sequence_number, self.fetched_nodes, self.fetched_bytes, outstanding)

    @property
    def is_complete(self) -> bool:
        """Whether every node that differs is here."""
        return self.tables is not None and not self.wanted and not self.asked

"""Who vouched for which checkpoint lately, also above the window: a laggard learns from it that it lags (ST-1).

Each sender names a few checkpoints: the first digest it signed for each of its highest numbers. For what anybody named,
all who signed it are kept, whatever else they signed. So a liar that tells a laggard another digest than the rest, or
numbers that nobody will reach, does not keep it from believing a certificate that has the liar's signature too (B11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from quorate.messages.protocol import Checkpoint, Digest

NAMED_MAX: Final = 4
"""Checkpoints that one sender names."""


class Target(NamedTuple):
    """A checkpoint."""

    sequence_number: int
    digest: Digest


class Vouchers:
    """By sender what it named, and by checkpoint the frames of those who signed it."""

    def __init__(self) -> None:
        self.named: dict[int, dict[int, Digest]] = {}
        self.signers: dict[Target, dict[int, bytes]] = {}
        """At most as many as are named, each with at most one frame a replica."""

    def add(self, message: Checkpoint, frame: bytes) -> None:
        """Keep what a CHECKPOINT says, as far as it counts."""
        named = self.named.setdefault(message.replica, {})
        if message.sequence_number not in named:
            named[message.sequence_number] = message.digest
            self.signers.setdefault(Target(message.sequence_number, message.digest), {})
        if len(named) > NAMED_MAX:
            del named[min(named)]
            self._forget()
        signers = self.signers.get(Target(message.sequence_number, message.digest))
        if signers is not None:
            signers.setdefault(message.replica, frame)

    def frames(self, target: Target) -> tuple[bytes, ...]:
        """The CHECKPOINTs for a checkpoint, in the order of their senders."""
        return tuple(frame for _, frame in sorted(self.signers.get(target, {}).items()))

    def newest(self) -> Iterator[tuple[int, int, bytes]]:
        """Each sender, the highest number that it named, and its CHECKPOINT for that."""
        for replica, named in sorted(self.named.items()):
            target = Target(*max(named.items()))
            yield replica, target.sequence_number, self.signers[target][replica]

    def forget(self, replica: int) -> None:
        """Nothing of what this replica signed so far counts any more (EPOCH-2)."""
        self.named.pop(replica, None)
        for signers in self.signers.values():
            signers.pop(replica, None)
        self._forget()

    def _forget(self) -> None:
        wanted = {Target(*item) for named in self.named.values() for item in named.items()}
        self.signers = {target: signers for target, signers in self.signers.items() if target in wanted}

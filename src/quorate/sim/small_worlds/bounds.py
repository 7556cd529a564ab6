"""What is explored, and what lies beyond the bound."""

from __future__ import annotations

from typing import Final, NamedTuple

from quorate.config import Settings
from quorate.core.quorum import primary_of
from quorate.errors import ConfigurationError

REPLICAS: Final = 4
"""The smallest group that tolerates a traitor."""
REQUESTS_MAX: Final = 2
EPOCH: Final = 1_800_000_000_000_000
"""What the wall clocks say: 2027, in microseconds."""

SETTINGS: Final = Settings(batch_requests_max=1, scrub_interval_ms=0)
"""One request a batch, so the digests of the bounded world are few; memory is as it was written, and nobody looks;
everything else as it comes."""


class Bounds(NamedTuple):
    """The size of a world. What is beyond a bound is lost on the way, as any message may be."""

    requests: int = 1
    """Requests of correct clients; as many sequence numbers are explored."""
    views: int = 2
    """Views 0 up to, not including, this one."""
    traitors: tuple[int, ...] = (0,)
    is_reduced: bool = True
    """False: deliver each message by itself and forget nothing. For comparison in the smallest worlds."""
    clocks: int = 2
    """How many different times the clocks of the replicas say: with 2, the primary of view 0 gives the first request
    another digest than all others would."""

    powers: frozenset[str] | None = None
    """The types of messages that the traitors use; None: all."""

    @property
    def correct(self) -> tuple[int, ...]:
        """The replicas that follow the protocol."""
        return tuple(replica for replica in range(REPLICAS) if replica not in self.traitors)

    @property
    def primaries(self) -> frozenset[int]:
        """Those that lead a view inside the bound."""
        return frozenset(primary_of(view, REPLICAS) for view in range(self.views))

    @property
    def twins(self) -> tuple[int, int] | None:
        """Two correct replicas that lead no view inside the bound: they may be exchanged for one another."""
        backups = [replica for replica in self.correct if replica not in self.primaries]
        return (backups[0], backups[1]) if len(backups) == 2 else None

    def wall_of(self, replica: int) -> int:
        """What the clock of a replica says, all the time."""
        return EPOCH + (0 if replica == 0 or self.clocks == 1 else 1)

    def check(self) -> None:
        """Refuse what cannot be explored."""
        if not 1 <= self.requests <= REQUESTS_MAX:
            raise ConfigurationError(f"{self.requests} requests: 1 or {REQUESTS_MAX} can be explored")
        if not 1 <= self.views <= REPLICAS:
            raise ConfigurationError(f"{self.views} views: 1 to {REPLICAS} can be explored")
        if not all(0 <= traitor < REPLICAS for traitor in self.traitors) or len(self.correct) < 2:
            raise ConfigurationError(f"traitors {self.traitors}: name at most two of replicas 0 to {REPLICAS - 1}")

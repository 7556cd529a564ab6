"""Which worlds a campaign runs: every seed has its profile and its number of replicas, and ranges of seeds are work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from quorate.errors import ConfigurationError
from quorate.sim.explore import Campaign
from quorate.sim.profiles import MIXED, PROFILES

REPLICAS: Final = (4, 7, 10)


class Seeds(NamedTuple):
    """The seeds from `first` up to, not including, `end`."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


class Selection(Struct, frozen=True):
    """What the seeds of a campaign are run with.

    Neighbouring seeds go through all pairs of an entry of `replicas` and a profile, so that any range of seeds holds
    them all alike. An entry that stands twice is run twice as often. Faults, network and lies are as the seed decides.
    """

    profile: str = MIXED
    """MIXED: every profile in turn."""
    replicas: tuple[int, ...] = REPLICAS
    strategies: tuple[str, ...] = ()
    """How every traitor lies; empty: as the seed says."""
    service: str = ""
    """The service that is replicated, as `quorate sim --service` takes it."""
    without: tuple[str, ...] = ()
    """Switches that are off, as `quorate sim --without` takes them."""

    def check(self) -> None:
        """Raise ConfigurationError for what cannot be run."""
        if not self.replicas:
            raise ConfigurationError("--replicas: name at least one size of a cluster, for example 4,7,10")
        for replicas in self.replicas:
            Campaign(self.profile, replicas, self.strategies, self.service, self.without).check()

    def world_of(self, seed: int) -> Campaign:
        """What a seed is run with, in the words of `quorate sim`: these and the seed make the same world again."""
        turn, size = divmod(seed, len(self.replicas))
        names = list(PROFILES)
        profile = names[turn % len(names)] if self.profile == MIXED else self.profile
        return Campaign(profile, self.replicas[size], self.strategies, self.service, self.without)


def missing(wanted: Seeds, done: Iterable[Seeds]) -> Iterator[Seeds]:
    """The ranges of *wanted* that none of *done* covers, in order."""
    position = wanted.first
    for seeds in sorted(done):
        if position < seeds.first:
            yield Seeds(position, min(seeds.first, wanted.end))
        position = max(position, seeds.end)
        if position >= wanted.end:
            return
    yield Seeds(position, wanted.end)


def overlap(wanted: Seeds, done: Iterable[Seeds]) -> int:
    """How many seeds of *wanted* are among *done*."""
    return len(wanted) - sum(len(seeds) for seeds in missing(wanted, done))

"""Who is with whom: divisions of a group with twins into two sides, enumerated up to the names of the twins.

A process is a number: 0 to n - 1 are the replicas, the numbers after them the second copies of the twins. A split is a
bit mask over the processes; those with equal bits are on one side. Process 0 has bit 0, so no split has two masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple

WHOLE = 0
"""Nobody is apart from anybody."""


class Group(NamedTuple):
    """n identities, some of them run twice."""

    replicas: int
    twins: tuple[int, ...]

    @property
    def identities(self) -> tuple[int, ...]:
        """The identity of each process."""
        return (*range(self.replicas), *self.twins)

    @property
    def correct(self) -> frozenset[int]:
        """The identities that are run once."""
        return frozenset(range(self.replicas)) - set(self.twins)

    def splits(self) -> range:
        """All two-way splits, the whole group on one side among them."""
        return range(0, 1 << len(self.identities), 2)

    def sides(self, split: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The processes of both sides; the first is that of process 0, the second may be empty."""
        processes = range(len(self.identities))
        return (
            tuple(process for process in processes if not split >> process & 1),
            tuple(process for process in processes if split >> process & 1),
        )

    def has_quorum(self, side: tuple[int, ...], quorum: int) -> bool:
        """Whether the processes of one side have enough identities to go on by themselves."""
        return len({self.identities[process] for process in side}) >= quorum


def exchange(group: Group, split: int, pairs: tuple[int, ...]) -> int:
    """The split with the two copies of some twins (by position in `group.twins`) exchanged."""
    for pair in pairs:
        one, other = group.twins[pair], group.replicas + pair
        if (split >> one ^ split >> other) & 1:
            split ^= 1 << one | 1 << other
    return split ^ (1 << len(group.identities)) - 1 if split & 1 else split


def _exchanges(group: Group) -> list[tuple[int, ...]]:
    """Every choice of twins whose copies are exchanged, nobody's among them."""
    pairs = range(len(group.twins))
    return [chosen for size in range(len(pairs) + 1) for chosen in combinations(pairs, size)]


def sequences(group: Group, phases: int) -> Iterator[tuple[int, ...]]:
    """The splits of each phase, in every way that is different up to the names of the copies: both begin equal and run
    the same code, so exchanging them throughout changes names and nothing else. The smallest of such a class is given.
    """
    exchanges = _exchanges(group)[1:]
    images = [{split: exchange(group, split, pairs) for split in group.splits()} for pairs in exchanges]
    for sequence in product(group.splits(), repeat=phases):
        if all(sequence <= tuple(image[split] for split in sequence) for image in images):
            yield sequence


def count_sequences(group: Group, phases: int) -> int:
    """How many `sequences` there are, by Burnside's lemma: the mean number that an exchange leaves alone."""
    exchanges = _exchanges(group)
    fixed = [sum(1 for split in group.splits() if exchange(group, split, pairs) == split) for pairs in exchanges]
    total: int = sum(splits**phases for splits in fixed)
    return total // len(exchanges)


def groups(replicas: int, twins: int) -> list[Group]:
    """Every choice of so many identities that are run twice."""
    return [Group(replicas, chosen) for chosen in combinations(range(replicas), twins)]

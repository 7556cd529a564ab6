"""Which paths between replicas are lost, by the name of what is done to them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import permutations
from typing import Final

Path = tuple[int, int]
"""From a sender to a receiver: one direction of a link."""
Shape = Callable[[Path, Collection[int], int], bool]
"""Whether a path is lost, given to whom it is done and how many replicas there are."""


def _cut(path: Path, chosen: Collection[int], _: int) -> bool:
    return path[0] in chosen or path[1] in chosen


def _deaf(path: Path, chosen: Collection[int], _: int) -> bool:
    return path[1] in chosen


def _unheard(path: Path, chosen: Collection[int], _: int) -> bool:
    return path[0] in chosen


def _star(path: Path, chosen: Collection[int], _: int) -> bool:
    return path[0] not in chosen and path[1] not in chosen


def _halves(path: Path, chosen: Collection[int], replica_count: int) -> bool:
    first = min(chosen)
    half = {(first + step) % replica_count for step in range(replica_count // 2)}
    return (path[0] in half) != (path[1] in half)


SHAPES: Final[dict[str, Shape]] = {
    "cut": _cut,
    "cut-backup": _cut,
    "one-way-deaf": _deaf,
    "one-way-unheard": _unheard,
    "star": _star,
    "halves": _halves,
}


def lost_paths(name: str, chosen: Collection[int], replica_count: int) -> list[Path]:
    """The paths that are lost when this is done to the chosen replicas."""
    shape = SHAPES[name]
    return [path for path in permutations(range(replica_count), 2) if shape(path, chosen, replica_count)]

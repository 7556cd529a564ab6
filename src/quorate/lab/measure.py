"""The arithmetic of availability, and the accounts of acknowledged writes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

MICROSECONDS = 1_000_000


class Availability(NamedTuple):
    """What callers had of the service."""

    operations: int
    """That were completed during the attack."""
    operations_per_second: float
    longest_gap_seconds: float
    """The longest time without any completed operation, from the attack's begin to the end of the workload."""
    recovery_seconds: float | None
    """From the attack's begin to the end of its last disruption; 0 when there was none, None when it lasts."""


def availability(completed: Sequence[int], begin: int, end: int, over: int, disruption: int) -> Availability:
    """What callers had: from the times at which operations were completed, in microseconds and in their order.

    The attack lasts from *begin* to *end*, the workload until *over*. A time without any completed operation that is
    longer than *disruption* is one.
    """
    during = sum(1 for moment in completed if begin <= moment < end)
    gaps = gaps_of(completed, begin, over)
    longest = max((last - first for first, last in gaps), default=0)
    disrupted = [(first, last) for first, last in gaps if last - first > disruption and first <= end]
    lasts = bool(disrupted) and disrupted[-1][1] == over
    until = disrupted[-1][1] - begin if disrupted else 0
    return Availability(
        operations=during,
        operations_per_second=during * MICROSECONDS / max(1, end - begin),
        longest_gap_seconds=longest / MICROSECONDS,
        recovery_seconds=None if lasts else until / MICROSECONDS,
    )


def gaps_of(completed: Sequence[int], begin: int, over: int) -> list[tuple[int, int]]:
    """The times without a completed operation between *begin* and *over*."""
    moments = [begin, *(moment for moment in completed if begin < moment < over), over]
    return list(pairwise(moments))


def rate(completed: Sequence[int], begin: int, end: int) -> float:
    """Operations a second between two moments."""
    return sum(1 for moment in completed if begin <= moment < end) * MICROSECONDS / max(1, end - begin)


class Appended(NamedTuple):
    """What callers appended to one register, each text once: what was acknowledged, and what they do not know of."""

    acknowledged: Collection[str]
    unknown: Collection[str]


def account(appended: Mapping[str, Appended], values: Mapping[str, str]) -> list[str]:
    """What is wrong with the final values of registers to which texts that end in a full stop were appended.

    Every acknowledged text is there once, every other at most once, and nothing else.
    """
    problems = []
    for key, (acknowledged, unknown) in sorted(appended.items()):
        found = Counter(part + "." for part in values[key].split(".") if part not in ("", "-"))
        lost = sorted(text for text in acknowledged if found[text] == 0)
        twice = sorted(text for text, count in found.items() if count > 1)
        foreign = sorted(set(found) - set(acknowledged) - set(unknown))
        problems += [f"{key}: the acknowledged append {text} is lost" for text in lost]
        problems += [f"{key}: the append {text} was executed {found[text]} times" for text in twice]
        problems += [f"{key}: {text} was never appended by a caller" for text in foreign]
    return problems


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much counters grew, for those that did."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}

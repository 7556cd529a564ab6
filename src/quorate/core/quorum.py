"""The arithmetic of quorums: the one place that computes f, f+1 and the quorum, and whose turn it is."""

from __future__ import annotations

from typing import NamedTuple

from quorate.errors import require


class Quorums(NamedTuple):
    """The thresholds of a group of `replica_count` replicas."""

    replica_count: int
    faults: int
    """f, the replicas that may lie: (n - 1) // 3."""
    weak: int
    """f + 1: at least one of them is correct."""
    quorum: int
    """ceil((n + f + 1) / 2), which is 2f + 1 when n = 3f + 1: any two share a correct replica."""


def quorums_of(replica_count: int) -> Quorums:
    """The thresholds for n >= 1 replicas (facts 1.1). With n < 4, f is 0: crashes of none, lies of none."""
    require(replica_count >= 1, "a group has at least one replica")
    faults = (replica_count - 1) // 3
    quorum = (replica_count + faults + 2) // 2
    require(2 * quorum - replica_count >= faults + 1, "two quorums share f + 1 replicas")
    require(replica_count - faults >= quorum, "the correct replicas make a quorum")
    return Quorums(replica_count, faults, faults + 1, quorum)


def primary_of(view: int, replica_count: int) -> int:
    """The primary of a view: v mod n (OSDI'99 section 4)."""
    return view % replica_count


def designated_of(client: bytes, session: int, timestamp: int, replica_count: int) -> int:
    """The replica that sends a request's results whole when they are large (OSDI'99 5.1): another one from request to
    request, so that all send as much."""
    return (int.from_bytes(client[-2:], "big") + session + timestamp) % replica_count

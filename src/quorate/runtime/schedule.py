"""When a replica recovers by itself (docs/RECOVERY.md): once in an interval, each replica in a slot of its own, in
reverse order of their ids, so that the recoveries run against the rotation of the primaries (facts 5.1). Never when the
group could not spare it."""

from __future__ import annotations

from typing import Final

from quorate.core.quorum import Quorums


class Schedule:
    """The slots of one replica, in microseconds since 1970: the same for all members, as far as their clocks agree."""

    def __init__(self, replica_id: int, replica_count: int, interval: int, wall: int) -> None:
        self._interval: Final = interval
        self._slot: Final = interval // replica_count
        offset = (replica_count - 1 - replica_id) * self._slot
        self.due = wall + self._interval - (wall - offset) % self._interval
        """When its next slot begins."""

    def is_time(self, wall: int) -> bool:
        """Whether its slot is there: in the first half of it a recovery may begin. What was missed is left out."""
        while wall >= self.due + self._slot // 2:
            self.due += self._interval
        return wall >= self.due


def may_be_spared(quorums: Quorums, connected: int, recovering: int) -> bool:
    """Whether a replica may recover that is connected to so many others, of which so many recover: never more than f
    at once are away, those that cannot be reached counted in."""
    away = quorums.replica_count - 1 - connected + recovering
    return away + 1 <= quorums.faults

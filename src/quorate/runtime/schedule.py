"""When a replica recovers by itself (docs/RECOVERY.md): once in an interval, each replica in a slot of its own, in
reverse order of their ids, so that the recoveries run against the rotation of the primaries (facts 5.1). Never when the
group could not spare it."""

from __future__ import annotations

from typing import Final

from quorate.core.quorum import Quorums
from quorate.messages.protocol import Status


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


class Colleagues:
    """Which of the other replicas take part, as they said themselves: lately, and since their links opened. One that
    has just begun to recover is connected again, and nobody may have heard of its request yet."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[int, int]] = {}
        """In which view each one was last, and when it said so."""

    def forget(self, replica: int | None) -> None:
        """A link opened or closed: what was said before may have been said in an earlier life."""
        if replica is not None:
            self._said.pop(replica, None)

    def hear(self, message: Status, now: int) -> None:
        """A replica says STATUS. One that recovers says that it is in no view."""
        if message.is_changing_view:
            self.forget(message.replica)
        else:
            self._said[message.replica] = (message.view, now)

    def in_view(self, view: int, since: int) -> set[int]:
        """Those that said since then that they are in this view."""
        return {replica for replica, said in self._said.items() if said[0] == view and said[1] >= since}


def may_be_spared(quorums: Quorums, well: int) -> bool:
    """Whether a replica may recover when so many others take part: never more than f at once do not."""
    return quorums.replica_count - well <= quorums.faults

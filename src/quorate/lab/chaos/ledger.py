"""Who is hit or recovers, and so who may be hit next. Pure."""

from __future__ import annotations

from quorate.core.quorum import Quorums
from quorate.lab.chaos.plan import Fault, Step


class Ledger:
    """Never more than f replicas are hit, those that have not recovered counted in; but all may be killed at any time,
    for that takes nothing from them."""

    def __init__(self, quorums: Quorums) -> None:
        self._faults = quorums.faults
        self._held: dict[Step, set[int]] = {}
        """The steps that are not over, and whom each still holds."""

    @property
    def afflicted(self) -> set[int]:
        """Who is hit, or has not recovered."""
        return {replica for held in self._held.values() for replica in held}

    def may_begin(self, step: Step) -> bool:
        """Whether it may hit whom it is to hit now."""
        if step.fault is Fault.KILL_ALL:
            return all(other.fault is not Fault.KILL_ALL for other in self._held)
        afflicted = self.afflicted
        hit = set(step.replicas)
        return not hit or (not afflicted & hit and len(afflicted | hit) <= self._faults)

    def begin(self, step: Step) -> None:
        """It hits them now."""
        assert self.may_begin(step)
        self._held[step] = set(step.replicas)

    def release(self, step: Step, replica: int) -> None:
        """One of them has recovered from it."""
        held = self._held[step]
        held.discard(replica)
        if not held:
            del self._held[step]

"""The value of a sorted set: scores by member, and members by (score, member)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable


class SortedSet:
    """Looking up a score takes constant time, finding a place in the order logarithmic time.

    Adding, moving or removing one member shifts a part of a list: a memory move of 8 bytes a member, 5 us for a
    hundred thousand members and more than the search below that. Fine up to some millions; a skip list in Python is
    slower than that at every size up to there.
    """

    __slots__ = ("ordered", "scores")

    def __init__(self, members: Iterable[tuple[bytes, float]] = ()) -> None:
        # Adding zero makes the negative zero positive: as two encodings of equal scores they would be two contents.
        self.scores = {member: score + 0.0 for member, score in members}
        """Never iterated: its order depends on history."""
        self.ordered = sorted((score, member) for member, score in self.scores.items())

    def __len__(self) -> int:
        return len(self.ordered)

    def __contains__(self, member: bytes) -> bool:
        return member in self.scores

    def copy(self) -> SortedSet:
        """Another sorted set with the same members."""
        twin = SortedSet.__new__(SortedSet)
        twin.scores = self.scores.copy()
        twin.ordered = self.ordered.copy()
        return twin

    def set(self, member: bytes, score: float) -> None:
        """Give a member, new or not, its score."""
        self.remove(member)
        score += 0.0
        self.scores[member] = score
        insort(self.ordered, (score, member))

    def remove(self, member: bytes) -> bool:
        """Take a member out; say whether it was in."""
        score = self.scores.pop(member, None)
        if score is None:
            return False
        del self.ordered[bisect_left(self.ordered, (score, member))]
        return True

    def remove_range(self, start: int, stop: int) -> int:
        """Take out the members at the places from *start* to before *stop*; say how many."""
        removed = self.ordered[start:stop]
        del self.ordered[start:stop]
        for _, member in removed:
            del self.scores[member]
        return len(removed)

    def rank(self, member: bytes) -> int | None:
        """How many members stand before it, None when it is not in."""
        score = self.scores.get(member)
        return None if score is None else bisect_left(self.ordered, (score, member))

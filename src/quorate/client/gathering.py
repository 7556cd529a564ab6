"""Whether what waits to be sent is sent in this turn of the event loop, or in the next with more of its kind. Pure."""

from __future__ import annotations


class Gathering:
    """After many operations were answered at once, their callers come back one by one: as long as each turn of the loop
    brings some of them, the next message waits for one more turn. Nobody waits for a caller who does not come."""

    def __init__(self) -> None:
        self.expected = 0
        """How many operations were answered together last: about as many come back."""
        self._seen = 0
        """How many operations waited when the loop came round last."""

    def are_more_coming(self, waiting: int) -> bool:
        """Whether to look again in the next turn, now that so many operations wait."""
        has_grown, self._seen = waiting > self._seen, waiting
        if has_grown and waiting < self.expected:
            return True
        self._seen = 0
        return False

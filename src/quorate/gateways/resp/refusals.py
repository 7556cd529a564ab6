"""What came to the gateway's port and was no Redis protocol: counted, and told in the log now and then."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

_REASONS_MAX: Final = 64
_OTHERS: Final = "others"
_REPEAT_SECONDS: Final = 10.0


class Refusals:
    """Clients that were turned away, by reason. Reasons beyond a number of them are counted together."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counts: Final[Counter[str]] = Counter()
        self._clock = clock
        self._told_at: dict[str, float] = {}

    def count(self, reason: str, peer: str) -> None:
        """Count it; log it, unless the same was logged in the last ten seconds."""
        if reason not in self.counts and len(self.counts) >= _REASONS_MAX:
            reason = _OTHERS
        self.counts[reason] += 1
        now = self._clock()
        if now - self._told_at.get(reason, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told_at[reason] = now
            fields = {"peer": peer, "reason": reason, "total": self.counts[reason]}
            logging.getLogger("quorate").warning("client-refused", extra={"fields": fields})

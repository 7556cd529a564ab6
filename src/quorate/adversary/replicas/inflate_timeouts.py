"""P9: a replica that helps every view change along, so that time-outs double, and makes use of the long ones."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.drawer import Delaying
from quorate.adversary.traitor import Tools
from quorate.adversary.view_changes import ViewChanger
from quorate.core.effects import Broadcast, Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import Commit, NewView, PrePrepare, ViewChange

AHEAD_MAX = 8
"""It seconds nobody who asks for a view farther ahead than this: that one lies, and moves nobody."""


class InflateTimeouts(Delaying, ViewChanger):
    """Seconds whoever is impatient: with f + 1 all others follow. In its own views it is silent first, so that the
    time-out doubles once more; in later ones it says what a primary has to say just before its time is up."""

    row = "P9"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._base = 1000 * tools.settings.view_change_timeout_ms
        self._limit = 1000 * tools.settings.view_change_timeout_max_ms
        self._timeout = self._base
        """What it takes for the others' time-out: they count as it does."""
        self._view = 0
        self._progress_since: int | None = None
        self._silent_terms = tools.random.choice((0, 1, 2))
        self._share = tools.random.choice((0.5, 0.8, 0.95))
        """How much of the time-out it makes use of."""
        self._seconded: list[ViewChange] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Count the others' time-outs, and second who wants another view."""
        message = opened.message
        if isinstance(message, ViewChange) and self._view < message.view <= self._view + AHEAD_MAX:
            self._leave(message.view)
            self._seconded.append(self.blank(message.view))
        elif isinstance(message, Commit) and message.view == self._view:
            self._note_progress(now)
        return super().hears(opened, now)

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """As late as it can, or never."""
        if not isinstance(effect, Broadcast) or not self.tools.is_own(effect.message):
            return (effect,)
        if not isinstance(effect.message, PrePrepare | NewView):
            return (effect,)
        term = effect.message.view // self.tools.quorums.replica_count
        if term >= self._silent_terms:
            self.hold(effect, now + int(self._share * self._timeout))
        return ()

    def adds(self, now: int) -> Sequence[Effect]:
        """The VIEW-CHANGEs, and what was held back."""
        seconded, self._seconded = self._seconded, []
        return [*map(self.tools.broadcast, seconded), *super().adds(now)]

    def _leave(self, view: int) -> None:
        if self._progress_since is None:
            self._timeout = min(2 * self._timeout, self._limit)
        self._view, self._progress_since = view, None

    def _note_progress(self, now: int) -> None:
        """They halve their time-out for every one that passes in progress."""
        if self._progress_since is None:
            self._progress_since = now
        elif now - self._progress_since >= self._timeout > self._base:
            self._timeout = max(self._base, self._timeout // 2)
            self._progress_since = now

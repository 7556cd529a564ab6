"""How far the background scrub has got, and what it found."""

from __future__ import annotations

from quorate.messages.tree import Path


class Scrub:
    """How far the scrub has got."""

    def __init__(self) -> None:
        self.due = 0
        self.sequence_number = -1
        """The checkpoint that is looked at."""
        self.unread: list[tuple[Path, bytes]] = []
        """Its nodes that are next, the last one first, with the digests that their parents vouch for."""
        self.behind: Path = ()
        """Everything before this leaf, in the order of paths, was looked at in this pass."""
        self.passes = 0
        """How often all of the state was looked at."""
        self.damaged: set[Path] = set()
        """Nodes that are to be fetched although the own digests say that they are right, and those on the way there."""

    def note(self, path: Path) -> None:
        """A node is damaged."""
        self.damaged.update(path[:length] for length in range(len(path) + 1))
        self.unread.clear()
        self.sequence_number = -1

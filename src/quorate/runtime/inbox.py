"""Frames that wait for the next turn: bounded for each link, and taken from all links alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from quorate.runtime.ports import Link

FRAMES_PER_LINK_MAX: Final = 4096
BYTES_PER_LINK_MAX: Final = 64 << 20


class _Queue:
    """The waiting frames of one link."""

    __slots__ = ("frames", "size")

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.size = 0


class Inbox:
    """What came in and was not looked at yet.

    When a link's share is full its newest frames are dropped: whoever sends more than is worked off loses its own,
    nobody else's. One frame may always wait, however large. The protocol repeats what matters.
    """

    def __init__(self, frames_max: int = FRAMES_PER_LINK_MAX, bytes_max: int = BYTES_PER_LINK_MAX) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._queues: dict[Link, _Queue] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, link: Link, frames: Sequence[bytes]) -> int:
        """Add *frames*; how many of them had to be dropped."""
        queue = self._queues.get(link)
        if queue is None:
            queue = self._queues[link] = _Queue()
        for index, frame in enumerate(frames):
            if queue.frames and (len(queue.frames) >= self._frames_max or queue.size + len(frame) > self._bytes_max):
                return len(frames) - index
            queue.frames.append(frame)
            queue.size += len(frame)
        return 0

    def take(self, limit: int) -> list[tuple[Link, bytes]]:
        """About *limit* frames, each link's in its own order; a link with much gets no more than its share.

        Links that still have frames go behind those that come.
        """
        share = max(1, limit // max(1, len(self._queues)))
        taken: list[tuple[Link, bytes]] = []
        for link, queue in list(self._queues.items()):
            if len(taken) >= limit:
                break
            del self._queues[link]
            for _ in range(min(share, len(queue.frames))):
                frame = queue.frames.popleft()
                queue.size -= len(frame)
                taken.append((link, frame))
            if queue.frames:
                self._queues[link] = queue
        return taken

    def discard(self, link: Link) -> None:
        """Forget what a link sent that is gone."""
        self._queues.pop(link, None)

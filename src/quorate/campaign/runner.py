"""Hands the seeds of a campaign to its crew, chunk by chunk, and keeps what comes back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Event
from typing import Final

import msgspec

from quorate.campaign.chunk import Chunk, run_chunk
from quorate.campaign.crew import Crew
from quorate.campaign.record import Record
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.sources import sources_digest
from quorate.campaign.summary import Summary
from quorate.errors import QuorateError

CHUNK_SECONDS: Final = 10.0
"""How long a worker goes on before it reports: how much is lost at worst, and how old the shown figures are."""
CHUNK_SEEDS: Final = 200
SAMPLE_EVERY: Final = 10
"""One chunk in so many is run under observation, which takes about twice the time."""
_LOOK_SECONDS: Final = 0.5


class Runner:
    """One campaign under way."""

    def __init__(
        self,
        selection: Selection,
        pending: Iterable[Seeds],
        crew: Crew,
        record: Record,
        stop: Event,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        """Once it is set no further seeds are handed out; what is being run comes to its end."""
        self._selection = selection
        self._pending = deque(pending)
        self._crew = crew
        self._record = record
        self._clock = clock
        self._until = None if seconds is None else clock() + seconds
        self._given = 0
        """How many chunks were handed out."""
        self._running: dict[Future[bytes], Chunk] = {}

    @property
    def left(self) -> int:
        """How many seeds were not handed out."""
        return sum(map(len, self._pending))

    def run(self, notice: Callable[[Summary], None]) -> None:
        """Run until there are no more seeds, the time is up or `stop` is set.

        *notice* is called with each summary once it is in the file.
        """
        while self._hand_out() or self._running:
            done, _ = wait(self._running, _LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                notice(self._take_back(self._running.pop(future), future))

    def _hand_out(self) -> bool:
        """Give every idle worker a chunk; whether there is more to give out."""
        size = self._crew.size()
        while not self._stop.is_set() and self._pending and len(self._running) < size:
            left = CHUNK_SECONDS if self._until is None else min(CHUNK_SECONDS, self._until - self._clock())
            if left <= 0:
                self._stop.set()
                break
            chunk = Chunk(self._selection, self._next_seeds(size), left, self._given % SAMPLE_EVERY == 0)
            self._given += 1
            self._running[self._crew.executor.submit(run_chunk, msgspec.json.encode(chunk))] = chunk
        return not self._stop.is_set() and bool(self._pending)

    def _next_seeds(self, workers: int) -> Seeds:
        """The next seeds: few where few are left, so that all workers end together."""
        seeds = self._pending.popleft()
        left = len(seeds) + self.left
        count = max(1, min(CHUNK_SEEDS, left // (4 * workers)))
        if len(seeds) > count:
            self._pending.appendleft(Seeds(seeds.first + count, seeds.end))
        return Seeds(seeds.first, min(seeds.end, seeds.first + count))

    def _take_back(self, chunk: Chunk, future: Future[bytes]) -> Summary:
        seeds = chunk.seeds
        try:
            summary = msgspec.json.decode(future.result(), type=Summary)
        except Exception as error:
            raise QuorateError(f"the worker with the seeds {seeds.first}:{seeds.end} failed: {error!r}") from error
        if summary.sources != sources_digest():
            raise QuorateError(
                "a worker has other sources than the campaign was begun with: they were changed, or differ between "
                "machines; begin again with the same everywhere"
            )
        summary.finished = round(time.time(), 1)
        self._record.append(summary)
        if summary.seeds.end < seeds.end:
            self._pending.appendleft(Seeds(summary.seeds.end, seeds.end))
        return summary

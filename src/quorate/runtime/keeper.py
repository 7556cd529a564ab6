"""Storage at work: what is to be kept is written by threads of its own, so that a slow disk stops no clock.

One thread commits votes, another writes checkpoints, which may be large. Either one tries again, for as long as it
takes, when the disk refuses; `trouble` says so meanwhile, and the replica takes part in nothing. Where nobody waits for
the disk, votes are handed to the system at once, on the event loop, and a third thread syncs.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Final

from quorate.messages.records import CheckpointRecord, Record, StableRecord
from quorate.messages.tree import Path
from quorate.storage.patrol import Damage
from quorate.storage.state import StateLog
from quorate.storage.votes import FileJournal

RETRY_SECONDS: Final = 0.5
"""How long after a refusal the disk is asked again."""
ASYNC_SECONDS: Final = 0.005
"""How long what nobody waits for may stay unsynced."""
VOTES_A_LOOK: Final = 128 << 10
STATE_A_LOOK: Final = 1 << 20
"""Bytes that are read of the files at a time; votes that are to be written wait for that."""
VOTES: Final = "votes"
STATE: Final = "state"


class GivenUp(Exception):
    """The replica ends, and the disk refuses a state to the last."""


class Keeper:
    """The journal and the states of one replica. Its methods are called on the event loop."""

    def __init__(self, journal: FileJournal, states: StateLog, is_synced: bool) -> None:
        self._journal = journal
        self._states = states
        self._is_synced = is_synced
        self._writers = {name: ThreadPoolExecutor(1, name) for name in (VOTES, STATE)}
        self._syncer = ThreadPoolExecutor(1, "sync")
        self._is_syncing = False
        self._committing = 0
        """Commits that the thread has not ended."""
        self._closing = Event()
        self._troubles: dict[str, str] = {}
        self._newest_state: Future[list[Path]] | None = None
        self._looks = 0
        """Threads that are looking at their files."""
        self.damages: Counter[str] = Counter()
        """What was found damaged while the replica ran."""
        self.when_damaged: Callable[[str], None] = lambda what: None
        """Called on the event loop."""
        self.when_changed: Callable[[], None] = lambda: None
        """Called on the event loop when there is trouble, or no more."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept just now."""
        return next(iter(self._troubles.values()), None)

    def commit(self, records: Sequence[Record], then: Callable[[], None]) -> None:
        """Keep *records*, and call *then* on the event loop once they are as durable as the setting promises; what
        they say of a state comes after that state. Calls end in the order in which they were made."""
        loop = asyncio.get_running_loop()
        if self._is_appended_at_once(records):
            then()
            self._after_commit(records, loop)
            return
        state = self._newest_state if _speak_of_a_state(records) else None
        work = self._writers[VOTES].submit(self._commit, records, state, loop)
        self._committing += 1

        def end() -> None:
            self._committing -= 1
            if not work.cancelled() and work.result():
                then()
                self._after_commit(records, loop)

        work.add_done_callback(lambda _: _call(loop, end))

    def _is_appended_at_once(self, records: Sequence[Record]) -> bool:
        """Append what need not be synced, if the thread has nothing to do and no state has to come before."""
        is_free = self._committing == 0 and self._journal.is_ready and not _speak_of_a_state(records)
        if self._is_synced or not is_free:
            return False
        try:
            self._journal.append(records)
        except OSError as error:
            self._tell(VOTES, error)
            return False
        return True

    def keep_state(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> Future[list[Path]]:
        """Write what changed up to a checkpoint. What `StateLog.write` returns, once it is on disk."""
        loop = asyncio.get_running_loop()
        self._newest_state = self._writers[STATE].submit(self._write_state, sequence_number, leaves, loop)
        return self._newest_state

    def look(self, every: float) -> None:
        """Look at a little of what is on the disk, and again every so many seconds, until the end."""
        if self._closing.is_set():
            return
        loop = asyncio.get_running_loop()
        loop.call_later(every, self.look, every)
        if self._looks == 0 and not self._troubles:
            self._looks = 2
            self._committing += 1  # whatever is appended meanwhile waits for the thread
            for name, look, size in (
                (VOTES, self._journal.look, VOTES_A_LOOK),
                (STATE, self._states.look, STATE_A_LOOK),
            ):
                self._writers[name].submit(self._look, name, partial(look, size), loop)

    def close(self) -> None:
        """No more. What is being written is finished, what the disk refuses is given up."""
        self._closing.set()
        for thread in (self._syncer, *self._writers.values()):
            thread.shutdown(wait=True, cancel_futures=True)
        self._journal.close()
        self._states.close()

    def _after_commit(self, records: Sequence[Record], loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_synced and not self._is_syncing and not self._closing.is_set():
            self._is_syncing = True
            self._syncer.submit(self._sync, loop)
        for record in records:
            if isinstance(record, StableRecord) and not self._closing.is_set():
                self._writers[STATE].submit(self._stabilise, record.sequence_number, loop)

    # ---------------------------------------------------------------------------------------- in the threads

    def _commit(
        self, records: Sequence[Record], state: Future[list[Path]] | None, loop: asyncio.AbstractEventLoop
    ) -> bool:
        if state is not None and state.exception() is not None:
            return False
        return self._insist(VOTES, lambda: self._journal.append(records), self._journal.rewrite, loop)

    def _write_state(
        self, sequence_number: int, leaves: Mapping[Path, bytes], loop: asyncio.AbstractEventLoop
    ) -> list[Path]:
        wanted: list[Path] = []

        def write() -> None:
            wanted[:] = self._states.write(sequence_number, leaves)

        if not self._insist(STATE, write, write, loop):
            raise GivenUp
        return wanted

    def _look(self, name: str, look: Callable[[], Damage | None], loop: asyncio.AbstractEventLoop) -> None:
        found: list[Damage] = []

        def work() -> None:
            found.extend(filter(None, (look(),)))

        again = self._journal.rewrite if name == VOTES else work
        self._insist(name, work, again, loop)
        _call(loop, partial(self._end_look, name, found))

    def _stabilise(self, sequence_number: int, loop: asyncio.AbstractEventLoop) -> None:
        drop = partial(self._states.stabilise, sequence_number)
        self._insist(STATE, drop, drop, loop)

    def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        self._closing.wait(ASYNC_SECONDS)
        self._is_syncing = False
        try:
            self._journal.sync()
        except OSError as error:
            _call(loop, partial(self._tell, VOTES, error))
            _call(loop, partial(self.commit, (), _nothing))

    def _insist(
        self, name: str, work: Callable[[], None], again: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> bool:
        """Work, and after each refusal work *again*; False when it was given up."""
        while True:
            try:
                work()
            except OSError as refusal:
                error = refusal
            else:
                if name in self._troubles:
                    _call(loop, partial(self._tell, name, None))
                return True
            _call(loop, partial(self._tell, name, error))
            if self._closing.wait(RETRY_SECONDS):
                return False
            work = again

    # ---------------------------------------------------------------------------------------- on the loop again

    def _end_look(self, name: str, found: list[Damage]) -> None:
        self._looks -= 1
        self._committing -= name == VOTES
        for damage in found:
            remedy = "is written anew" if name == VOTES else "goes, what it holds is written once more"
            self.damages[f"STORAGE: {damage.path.name} was damaged; it {remedy}"] += 1
            self.when_damaged(str(damage))

    def _tell(self, name: str, error: OSError | None) -> None:
        before = self.trouble
        if error is None:
            self._troubles.pop(name, None)
        else:
            path = self._journal.path if name == VOTES else self._journal.path.parent
            self._troubles[name] = f"{path} cannot be written: {error.strerror or os.strerror(error.errno or 0)}"
        if self.trouble != before:
            self.when_changed()


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Call on the loop, unless the replica has ended meanwhile."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)


def _speak_of_a_state(records: Sequence[Record]) -> bool:
    """Whether a state has to be on disk before these records. That of a checkpoint is already, that of one that was
    fetched is on its way."""
    return any(isinstance(record, CheckpointRecord | StableRecord) for record in records)


def _nothing() -> None:
    """There is nothing to do then."""

"""Storage at work: nothing is let out before it is kept, and a disk that refuses is asked again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from quorate.core.effects import Broadcast, Persist
from quorate.messages.protocol import Prepare
from quorate.messages.records import DecidedRecord, StableRecord
from quorate.runtime import driver as drivers
from quorate.runtime import keeper as keepers
from quorate.runtime.driver import PatientDriver
from quorate.runtime.keeper import Keeper
from quorate.runtime.roster import Roster
from quorate.storage.log_file import Owner
from quorate.storage.state import StateLog
from quorate.storage.votes import FileJournal

A = b"a" * 32
OWNER = Owner(b"c" * 16, b"i" * 16, b"p" * 32)
PREPARE = Prepare(0, 1, A, 0)


class Gate:
    """Stands before a method of the storage: lets calls through, or has them fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.is_closed = False
        self.calls = 0
        real = getattr(owner, name)

        def through(*arguments: Any) -> Any:
            self.calls += 1
            if self.is_closed:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(owner, name, through)


class Bench:
    """A driver, its keeper, and a link."""

    def __init__(self, folder: Path, link: Any, is_synced: bool = True) -> None:
        self.journal = FileJournal(folder, OWNER, is_synced)
        self.journal.rewrite()
        self.states = StateLog(folder, OWNER)
        self.keeper = Keeper(self.journal, self.states, is_synced)
        roster = Roster()
        roster.add(link)
        self.driver = PatientDriver(self.keeper, roster, lambda trace: None)
        self.freed = 0
        self.driver.when_free = self.free

    def free(self) -> None:
        """Note that a turn may be taken."""
        self.freed += 1

    def turn(self, number: int) -> None:
        """Keep a record and say something."""
        self.driver.perform([Persist(DecidedRecord(number, A)), Broadcast(PREPARE, b"%d" % number)])


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def play(bench: Bench, script: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        try:
            await script
        finally:
            await asyncio.to_thread(bench.keeper.close)

    asyncio.run(main())


def kept_in(folder: Path) -> list[Any]:
    journal = FileJournal(folder, OWNER)
    journal.load()
    return journal.records()


@pytest.mark.parametrize("is_synced", [True, False])
def test_what_depends_on_a_record_leaves_after_it_is_in_the_file(tmp_path: Path, links: Any, is_synced: bool) -> None:
    link = links.replica(1)
    bench = Bench(tmp_path, link, is_synced)
    seen: list[int] = []
    send = link.send

    def watched(frame: bytes) -> bool:
        seen.append(len(kept_in(tmp_path)))
        return bool(send(frame))

    link.send = watched

    async def script() -> None:
        for number in range(1, 6):
            bench.turn(number)
        assert len(link.sent) == (0 if is_synced else 5)
        await eventually(lambda: len(link.sent) == 5)

    play(bench, script())
    assert link.sent == [b"1", b"2", b"3", b"4", b"5"]
    assert seen == ([1, 5, 5, 5, 5] if is_synced else [1, 2, 3, 4, 5])


def test_turns_that_gather_make_one_commit_and_keep_their_order(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    appends = Gate(monkeypatch, FileJournal, "append")

    async def script() -> None:
        for number in range(1, 11):
            bench.turn(number)
            bench.driver.perform([Broadcast(PREPARE, b"after %d" % number)])
        await eventually(lambda: len(link.sent) == 20)

    play(bench, script())
    assert appends.calls == 2
    assert link.sent[:4] == [b"1", b"after 1", b"2", b"after 2"]


def test_a_turn_that_keeps_nothing_does_not_wait(tmp_path: Path, links: Any) -> None:
    link = links.replica(1)
    bench = Bench(tmp_path, link)

    async def script() -> None:
        bench.driver.perform([Broadcast(PREPARE, b"at once")])
        assert link.sent == [b"at once"]

    play(bench, script())


def test_a_slow_disk_holds_the_turns_back(tmp_path: Path, links: Any) -> None:
    bench = Bench(tmp_path, links.replica(1))

    async def script() -> None:
        for number in range(1, drivers.TURNS_AHEAD_MAX + 1):
            bench.turn(number)
            assert not bench.driver.is_behind
        bench.turn(99)
        assert bench.driver.is_behind
        await eventually(lambda: not bench.driver.is_behind)
        assert bench.freed > 0

    play(bench, script())


def test_a_disk_that_refuses_is_asked_again_and_nothing_leaves_meanwhile(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "RETRY_SECONDS", 0.01)
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    appends, rewrites = Gate(monkeypatch, FileJournal, "append"), Gate(monkeypatch, FileJournal, "rewrite")
    appends.is_closed = rewrites.is_closed = True

    async def script() -> None:
        bench.turn(1)
        await eventually(lambda: bench.keeper.trouble is not None)
        assert bench.driver.trouble == f"{tmp_path / 'votes.log'} cannot be written: No space left on device"
        await eventually(lambda: rewrites.calls > 3)
        assert link.sent == []
        bench.journal._kept.append([DecidedRecord(1, A)])  # as the real append does before it fails
        appends.is_closed = rewrites.is_closed = False
        await eventually(lambda: link.sent == [b"1"])
        assert bench.driver.trouble is None

    play(bench, script())
    assert kept_in(tmp_path) == [DecidedRecord(1, A)]


def test_records_come_after_the_state_that_they_speak_of(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "RETRY_SECONDS", 0.01)
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    writes = Gate(monkeypatch, StateLog, "write")
    writes.is_closed = True

    async def script() -> None:
        written = bench.keeper.keep_state(8, {(0,): b"leaf"})
        bench.driver.perform([Persist(StableRecord(8, A, ())), Broadcast(PREPARE, b"checkpoint")])
        await eventually(lambda: writes.calls > 2 and bench.driver.trouble is not None)
        assert (written.done(), link.sent) == (False, [])
        writes.is_closed = False
        await eventually(lambda: link.sent == [b"checkpoint"])
        assert written.done()

    play(bench, script())
    assert StateLog(tmp_path, OWNER).load(8) == ({(0,): b"leaf"}, None)


def test_votes_do_not_wait_for_a_state_that_is_being_written(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of a large state takes its time; only what speaks of it waits."""
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    may_go_on = threading.Event()
    monkeypatch.setattr(StateLog, "write", lambda *arguments: may_go_on.wait(20) and [])

    async def script() -> None:
        written = bench.keeper.keep_state(8, {(0,): b"leaf"})
        bench.turn(1)
        await eventually(lambda: link.sent == [b"1"])
        assert not written.done()
        may_go_on.set()

    play(bench, script())


def test_what_speaks_of_a_state_that_was_given_up_is_not_kept(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    Gate(monkeypatch, StateLog, "write").is_closed = True

    async def script() -> None:
        bench.keeper.keep_state(8, {(0,): b"leaf"})
        bench.driver.perform([Persist(StableRecord(8, A, ())), Broadcast(PREPARE, b"checkpoint")])
        await eventually(lambda: bench.keeper.trouble is not None)

    play(bench, script())
    assert (link.sent, kept_in(tmp_path)) == ([], [])


def test_a_keeper_that_ends_gives_up_what_the_disk_refuses(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = links.replica(1)
    bench = Bench(tmp_path, link)
    Gate(monkeypatch, FileJournal, "append").is_closed = True

    async def script() -> None:
        bench.turn(1)
        await eventually(lambda: bench.keeper.trouble is not None)

    play(bench, script())
    assert link.sent == []


def test_a_sync_that_fails_in_the_background_is_mended(
    tmp_path: Path, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it; what it failed to do is done by writing everything anew, not by asking again."""
    link = links.replica(1)
    bench = Bench(tmp_path, link, is_synced=False)
    syncs, rewrites = Gate(monkeypatch, FileJournal, "sync"), Gate(monkeypatch, FileJournal, "rewrite")
    real = bench.journal.sync

    def sync_once() -> None:
        bench.journal._is_in_doubt = True
        syncs.is_closed = False
        monkeypatch.setattr(bench.journal, "sync", real)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(bench.journal, "sync", sync_once)

    async def script() -> None:
        bench.turn(1)
        await eventually(lambda: rewrites.calls == 1)
        await eventually(lambda: bench.keeper.trouble is None)

    play(bench, script())
    assert kept_in(tmp_path) == [DecidedRecord(1, A)]

"""Effects become I/O: what the turn wants kept is kept before anything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from quorate.core.effects import Broadcast, Persist, Send, SendReply, Trace
from quorate.messages.protocol import Commit, Outcome, Prepare, Reply
from quorate.messages.records import DecidedRecord, Record
from quorate.runtime.driver import Driver
from quorate.runtime.roster import Roster

A = b"a" * 32
PREPARE = Prepare(0, 1, A, 0)
COMMIT = Commit(0, 1, A, 0)
RECORDS = [DecidedRecord(1, A), DecidedRecord(2, A)]


class NotingJournal:
    """Notes what was appended, and what had been sent by then."""

    def __init__(self, links: list[Any]) -> None:
        self.links = links
        self.appended: list[tuple[list[Record], int]] = []

    def append(self, records: Sequence[Record]) -> None:
        self.appended.append((list(records), sum(len(link.sent) for link in self.links)))

    def records(self) -> list[Record]:
        return []


class FullDisk(NotingJournal):
    """Cannot keep anything."""

    def append(self, records: Sequence[Record]) -> None:
        raise OSError(28, "No space left on device")


def roster_of(*links: Any) -> Roster:
    roster = Roster()
    for link in links:
        roster.add(link)
    return roster


def test_one_group_commit_before_everything_that_leaves(links: Any) -> None:
    link = links.replica(1)
    journal = NotingJournal([link])
    driver = Driver(journal, roster_of(link), lambda trace: None)

    driver.perform([Persist(RECORDS[0]), Broadcast(PREPARE, b"1"), Persist(RECORDS[1]), Broadcast(COMMIT, b"2")])

    assert journal.appended == [(RECORDS, 0)]
    assert link.sent == [b"1", b"2"]


def test_nothing_leaves_when_it_cannot_be_kept(links: Any) -> None:
    link = links.replica(1)
    driver = Driver(FullDisk([link]), roster_of(link), lambda trace: None)

    with pytest.raises(OSError, match="No space left"):
        driver.perform([Broadcast(PREPARE, b"1"), Persist(RECORDS[0])])

    assert link.sent == []


def test_each_effect_goes_where_it_says(links: Any) -> None:
    one, two, here, there, other = links.replica(1), links.replica(2), links.client(), links.client(), links.client(A)
    traces: list[Trace] = []
    driver = Driver(NotingJournal([]), roster_of(one, two, here, there, other), traces.append)
    reply = Reply(0, b"c" * 32, 1, 1, Outcome.EXECUTED, (b"",), 0)

    driver.perform([Send(2, PREPARE, b"s"), Broadcast(PREPARE, b"b"), SendReply(reply, b"r"), Trace("event", {})])

    assert (one.sent, two.sent) == ([b"b"], [b"s", b"b"])
    assert (here.sent, there.sent, other.sent) == ([b"r"], [b"r"], [])
    assert traces == [Trace("event", {})]
    assert driver.dropped_frames == 0


def test_what_finds_no_link_or_no_room_is_counted(links: Any) -> None:
    full = links.replica(1)
    full.is_full = True
    driver = Driver(NotingJournal([]), roster_of(full), lambda trace: None)

    driver.perform([Send(1, PREPARE, b""), Send(2, PREPARE, b""), Broadcast(PREPARE, b"")])

    assert driver.dropped_frames == 3

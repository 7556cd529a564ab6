"""TIMER-5: a primary that proposes late, though in time, is left."""

from __future__ import annotations

from collections import deque

import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core import pace
from quorate.core.paced import CLIENTS_MAX, GAPS
from quorate.messages.protocol import Message, PrePrepare

MILLISECOND = 1000
SETTINGS = Settings(tentative_execution=False)


class Slow:
    """A group whose primaries propose late."""

    def __init__(self, settings: Settings = SETTINGS, replica_count: int = 4) -> None:
        self.group = Group(replica_count, settings)
        self.session = self.group.open_session()
        self.timestamp = 0
        self.held: list[tuple[int, int, Message, bytes]] = []
        self.group.reaches = self.reaches

    def reaches(self, sender: int, receiver: int, message: Message) -> bool:
        if not isinstance(message, PrePrepare):
            return True
        batch = self.group.core(sender).log.batch(message.digest)
        assert batch is not None
        self.held.append((sender, receiver, message, batch.data))
        return False

    def ask(self, delay: int, *receivers: int) -> None:
        """One request, to all by default; what the primary proposes arrives after so many milliseconds."""
        self.timestamp += 1
        self.group.submit(self.group.request((b"add 1",), self.session, self.timestamp), *receivers)
        self.group.now += delay * MILLISECOND
        self.group.wall += delay * MILLISECOND
        held, self.held = self.held, []
        for sender, receiver, message, data in held:
            self.group.say(sender, message, receiver, attachments=(data,), run=False)
        self.group.run()

    @property
    def views(self) -> set[int]:
        return {replica.report().view for replica in self.group.replicas}


def test_timer_5_a_primary_that_proposes_late_is_left() -> None:
    slow = Slow()
    for _ in range(GAPS - 1):
        slow.ask(50)
    assert slow.views == {0}
    slow.ask(50)
    assert slow.views == {1}
    assert slow.group.replicas[1].report().last_executed == GAPS + 1
    assert any(
        trace.event == "view-change" and trace.details["reason"] == "the primary proposes late"
        for trace in slow.group.traces[2]
    )


def test_timer_5_one_that_proposes_as_fast_as_the_others_agree_stays() -> None:
    slow = Slow()
    for _ in range(5 * GAPS):
        slow.ask(4)
    assert slow.views == {0}


def test_timer_5_it_can_be_turned_off() -> None:
    slow = Slow(Settings(tentative_execution=False, slow_primary_factor=0))
    for _ in range(5 * GAPS):
        slow.ask(50)
    assert slow.views == {0}


def test_timer_5_where_nobody_may_fail_nobody_is_left_for_it() -> None:
    slow = Slow(replica_count=3)
    for _ in range(5 * GAPS):
        slow.ask(50)
    assert slow.views == {0}


def test_timer_5_what_only_the_primary_was_sent_tells_nothing() -> None:
    slow = Slow()
    for _ in range(5 * GAPS):
        slow.ask(50, 0)
    assert slow.views == {0}


def test_timer_5_where_f_plus_1_others_were_no_faster_the_primary_stays() -> None:
    """Nobody measures itself: all have seen two others in the fourth view."""
    slow = Slow()
    for _ in range(20 * GAPS):
        slow.ask(50)
    assert slow.views == {3}


def test_timer_5_a_slow_one_is_left_for_those_that_were_fast() -> None:
    """All have been the primary once; what they showed then is remembered."""
    slow = Slow()
    for replica in slow.group.replicas:
        replica.core.pace.shown = {1: 1000, 2: 900, 3: 60_000}
    for _ in range(GAPS):
        slow.ask(50)
    assert slow.views == {1}


def test_timer_5_a_few_slow_ones_among_many_are_nothing() -> None:
    slow = Slow()
    for number in range(10 * GAPS):
        slow.ask(50 if number % 3 == 0 else 1)
    assert slow.views == {0}


def core_with(gaps: dict[bytes, int], agreement: int) -> Group:
    group = Group(4, SETTINGS)
    known = group.core(2).pace
    known.gaps = {client: deque([gap] * GAPS, maxlen=GAPS) for client, gap in gaps.items()}
    known.agreements = deque([agreement] * GAPS, maxlen=GAPS)
    return group


@pytest.mark.parametrize(("slow", "fast", "is_slow"), [(1, 0, True), (1, 1, False), (2, 1, True), (2, 2, False)])
def test_timer_5_half_of_the_clients_cannot_say_so(slow: int, fast: int, is_slow: bool) -> None:
    """One that lies sends what is to wait to the backups, and keeps it from the primary for a while."""
    gaps = {b"slow%d" % number: 90_000 for number in range(slow)} | {b"fast%d" % number: 10 for number in range(fast)}
    assert pace.judge(core_with(gaps, 1000).core(2)) is is_slow


def test_timer_5_who_sees_that_another_has_left_is_less_patient() -> None:
    group = core_with({b"client": 8000}, 1000)  # allowed are 4 * 1 ms and 5 ms
    core = group.core(2)
    assert not pace.judge(core)
    group.settle(2)
    other = group.core(3)
    other.pace.is_slow = True
    group.settle(3)
    group.run()
    assert 3 in core.views.view_changes
    assert pace.judge(core)


def test_the_clients_whose_gaps_are_kept_are_bounded() -> None:
    known = Group(4, SETTINGS).core(2).pace
    for number in range(2 * CLIENTS_MAX):
        known.note_gap(b"%d" % number, 1)
        known.note_gap(b"first", 1)
    assert len(known.gaps) == CLIENTS_MAX
    assert b"first" in known.gaps
    assert len(known.gaps[b"first"]) == GAPS

"""TIMER-5: a primary that proposes late, though in time, is left."""

from __future__ import annotations

from collections import deque

import pytest
from msgspec.structs import replace

from core.group import Group
from quorate.auth.authenticator import MAC_BYTES
from quorate.config import Settings
from quorate.core import pace
from quorate.core.paced import CLIENTS_MAX, GAPS
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import Batches, Message, Prepare, PrePrepare

MILLISECOND = 1000
SETTINGS = Settings(tentative_execution=False, view_change_timeout_max_ms=12_000)
WHILE = SETTINGS.view_change_timeout_max_ms * MILLISECOND
"""How long what others have shown protects a slow primary."""


class Slow:
    """A group whose primaries propose late."""

    def __init__(self, settings: Settings = SETTINGS, replica_count: int = 4) -> None:
        self.group = Group(replica_count, settings)
        self.sessions = [self.group.open_session(client, timestamp=1 + client) for client in range(2)]
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

    def ask(self, delay: int, *receivers: int, client: int = 0) -> None:
        """One request, to all by default; what the primary proposes arrives after so many milliseconds."""
        self.timestamp += 1
        self.group.submit(self.group.request((b"add 1",), self.sessions[client], self.timestamp, client), *receivers)
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
    assert slow.group.replicas[1].report().last_executed == GAPS + 2
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


def test_timer_5_what_one_other_that_was_fast_has_shown_is_not_enough() -> None:
    """It may be faulty, and have done nothing else."""
    core = core_with({b"client": 60_000}, 1000).core(2)
    core.pace.shown = {1: 1000, 3: 60_000}
    assert not pace.judge(core)
    core.pace.shown = {1: 1000, 3: 20_000}
    assert pace.judge(core)


def test_timer_5_what_others_have_shown_protects_a_slow_one_for_a_while_only() -> None:
    """A faulty client, while it is alone, makes the primaries 0, 1 and 2 seem slow. Then replica 3, faulty, is slow."""
    slow = Slow()
    while min(slow.views) < 3:
        slow.ask(450)
    began = slow.group.now
    while slow.views == {3}:
        slow.ask(400, client=1)
    assert slow.views == {4}
    assert WHILE <= slow.group.now - began < WHILE + 500 * MILLISECOND
    for _ in range(5 * GAPS):
        slow.ask(1, client=1)
    assert slow.views == {4}


def test_timer_5_where_all_are_slow_one_view_is_lost_in_a_while() -> None:
    slow = Slow()
    while min(slow.views) < 3:
        slow.ask(500)
    began = slow.group.now
    while slow.group.now < began + 5 * WHILE // 2:
        slow.ask(500)
    assert slow.views == {5}


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
        slow.ask(50 if number % 6 == 0 else 1)
    assert slow.views == {0}


def test_timer_5_a_primary_that_stops_and_goes_is_slow() -> None:
    """It proposes a few batches at once, and then none for a while: most gaps are short, most of the time is gone."""
    slow = Slow()
    for number in range(GAPS):
        slow.ask(180 if number % 4 == 0 else 1)
    assert slow.views == {1}


def test_timer_5_one_hitch_is_none_however_long() -> None:
    slow = Slow()
    for number in range(3 * GAPS):
        slow.ask(800 if number % GAPS == 0 else 4)
    assert slow.views == {0}


def test_timer_5_a_sample_that_came_behind_its_proposal_is_not_the_last_of_its_client() -> None:
    """Another backup's PREPARE vouched for the proposal, so nothing of it waited here; then the client came back with
    another session."""
    slow = Slow()
    group = slow.group
    late = group.request((b"add 1",), slow.sessions[0], 1)
    group.reaches = lambda sender, receiver, message: False
    group.submit(late, 0)
    digest = group.core(0).log.slots[3].digest
    assert digest is not None
    batch = group.core(0).log.batch(digest)
    assert batch is not None
    for backup, other in ((1, 2), (2, 3), (3, 1)):
        group.say(other, Prepare(0, 3, digest, other), backup)
        group.say(0, PrePrepare(0, 3, digest, 0), backup, attachments=(batch.data,))
    group.submit(late, 1, 2, 3)
    group.reaches = lambda sender, receiver, message: True
    group.advance(2_000)
    assert [group.core(number).last_executed for number in range(4)] == [3] * 4
    slow.sessions[0] = group.open_session(timestamp=200)
    group.reaches = slow.reaches
    for _ in range(GAPS):
        slow.ask(50)
    assert slow.views == {1}


class Fetched:
    """An honest client's samples share batches with what a faulty one sent to the primary alone; what the primary
    answers to those who fetch it is lost for so many milliseconds from its proposal on. They wait for longer before
    they ask than a gap may be."""

    def __init__(self) -> None:
        self.group = Group(4, replace(SETTINGS, status_interval_ms=300))
        self.faulty = self.group.open_session()
        self.honest = self.group.open_session(client=1, timestamp=2)
        self.timestamp = 0

    def ask(self, lost: int) -> None:
        group, primary = self.group, self.group.replicas[0]
        self.timestamp += 1
        large = group.request((b"add 1" + b" " * 2000,), self.faulty, self.timestamp)
        sample = group.request((b"add 1",), self.honest, self.timestamp, client=1)
        primary.core.unreached.clear()
        for frame in (large, sample):
            primary.receive(group.authenticators[0].open(frame), group.now, group.wall)
        group.submit(sample, 1, 2, 3)
        group.reaches = lambda sender, receiver, message: not isinstance(message, Batches)
        group.settle(0)
        group.advance(lost)
        group.reaches = lambda sender, receiver, message: True
        group.advance(600)

    @property
    def views(self) -> set[int]:
        return {replica.report().view for replica in self.group.replicas}


def test_timer_5_what_a_client_kept_from_the_backups_is_not_the_primarys_fault() -> None:
    fetched = Fetched()
    for _ in range(2 * GAPS):
        fetched.ask(0)
    assert fetched.group.core(2).last_executed == 2 + 2 * GAPS
    assert fetched.views == {0}


def test_timer_5_a_primary_that_is_late_with_bodies_is_late() -> None:
    """One client that works with it does not hide that."""
    fetched = Fetched()
    for _ in range(GAPS):
        fetched.ask(150)
    assert fetched.views == {1}


@pytest.mark.parametrize(("late", "counts"), [(20, 20), (200, 200)])
def test_timer_5_who_is_let_in_late_knows_that_the_others_needed_time(late: int, counts: int) -> None:
    """A client is a little late with a large request at one backup, each time; the others have voted by then. Were what
    that one waits no part of the agreement, most would seem to take no time, and every gap too long."""
    fetched = Fetched()
    group, core = fetched.group, fetched.group.core(2)
    large = group.request((b"add 1" + b" " * 2000,), fetched.faulty, 1)
    sample = group.request((b"add 1",), fetched.honest, 1, client=1)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Batches)
    group.submit(large, 1, 3)
    for frame in (large, sample):
        group.replicas[0].receive(group.authenticators[0].open(frame), group.now, group.wall)
    group.submit(sample, 1, 2, 3)
    assert core.last_executed == 2
    group.advance(late)
    group.submit(large, 2)
    assert core.last_executed == 3
    assert list(core.pace.agreements) == [counts * MILLISECOND]


def test_timer_5_so_does_who_waits_for_others_to_vouch() -> None:
    """A client's MACs do not hold at one backup, each time."""
    group = Group(4, replace(SETTINGS, request_authentication="mac", status_interval_ms=300))
    faulty, honest = group.open_session(), group.open_session(client=1, timestamp=2)
    good = decode_envelope(group.request((b"add 1",), faulty, 1))
    macs = good.authentication
    spoilt = encode_envelope(Envelope(good.payload, macs[: 2 * MAC_BYTES] + bytes(MAC_BYTES) + macs[3 * MAC_BYTES :]))
    sample = group.request((b"add 1",), honest, 1, client=1)
    core = group.core(2)
    group.reaches = lambda sender, receiver, message: not (isinstance(message, Prepare) and receiver == 2)
    for frame in (spoilt, sample):
        group.replicas[0].receive(group.authenticators[0].open(frame), group.now, group.wall)
    group.submit(sample, 1, 2, 3)
    late = [(sender, message) for sender, message in group.sent if isinstance(message, Prepare)]
    assert core.last_executed == 2
    group.advance(20)
    group.reaches = lambda sender, receiver, message: True
    for sender, message in late:
        if sender != 2 and message.sequence_number == 3:
            group.say(sender, message, 2)
    assert core.last_executed == 3
    assert list(core.pace.agreements) == [20 * MILLISECOND]
    assert list(core.pace.gaps[group.clients[1].client_id]) == [0]


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


def test_timer_5_who_has_left_makes_others_less_patient_for_a_few_samples_once_a_view() -> None:
    """A faulty replica may say so as long as it likes."""
    slow = Slow(Settings(tentative_execution=False, slow_primary_factor=100))
    known = slow.group.core(2).pace
    slow.group.core(3).pace.is_slow = True
    slow.group.settle(3)
    slow.group.run()
    assert known.hurried == GAPS
    known.note_left(3)
    for _ in range(GAPS):
        assert known.hurried > 0
        slow.ask(1)
        known.note_left(3)
    assert known.hurried == 0
    known.begin(slow.group.now)
    known.note_left(3)
    assert known.hurried == GAPS


def test_the_clients_whose_gaps_are_kept_are_bounded() -> None:
    known = Group(4, SETTINGS).core(2).pace
    for number in range(2 * CLIENTS_MAX):
        known.note_gap(b"%d" % number, 1)
        known.note_gap(b"first", 1)
    assert len(known.gaps) == CLIENTS_MAX
    assert b"first" in known.gaps
    assert len(known.gaps[b"first"]) == GAPS

"""TIMER-5 to TIMER-7 where nobody is at fault: links that break or are slow, lost messages, fresh keys; and where the
primary is, in ways that are hard to see."""

from __future__ import annotations

import heapq

import pytest

from core.group import Group
from core.test_reach import UNHEARD, reasons, views
from quorate.config import Settings
from quorate.core import normal_case
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import (
    Batch,
    Batches,
    CheckpointClaim,
    Commit,
    Message,
    Prepare,
    PrePrepare,
    Request,
    ViewChange,
)


class Asking:
    """A group, and a client that asks one thing after the other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.group = Group(4, settings or Settings(tentative_execution=False))
        self.session = self.group.open_session()
        self.timestamp = 0

    def ask(self, *receivers: int) -> None:
        self.timestamp += 1
        self.group.submit(self.group.request((b"add 1",), self.session, self.timestamp), *receivers)

    def executed(self, number: int) -> int:
        row = self.group.core(number).tables.session(self.group.clients[0].client_id, self.session)
        return 0 if row is None else row.timestamp


@pytest.mark.parametrize("away", [1, 2, 3])
def test_what_was_waited_for_in_the_last_view_is_not_the_next_primarys_fault(away: int) -> None:
    """A backup that is cut off leaves view 0 alone by its timer (TIMER-1), and hears meanwhile what was decided. Later
    primary 0 crashes. View 1 is entered, and its primary is correct: nobody has a reason to leave it."""
    asking = Asking()
    group = asking.group
    group.reaches = lambda sender, receiver, message: (
        away not in (sender, receiver) or (receiver == away and isinstance(message, Prepare))
    )
    asking.ask()
    group.advance(1300)
    group.reaches = lambda sender, receiver, message: True
    group.advance(1000)
    assert asking.executed(away) == 1
    assert group.core(away).view == 1
    group.stopped.add(0)
    asking.ask(1, 2, 3)
    group.advance(5000)
    assert asking.executed(away) == 2
    assert UNHEARD not in reasons(group, away)
    assert views(group) == [1, 1, 1]


@pytest.mark.parametrize("milliseconds", [400, 600, 1000, 3000])
def test_one_link_that_is_down_for_a_while_costs_nobody_the_view(milliseconds: int) -> None:
    """Replica 3 would take no part in the view any more."""
    asking = Asking()
    group = asking.group
    for _ in range(20):
        asking.ask()
        group.advance(20)
    group.reaches = lambda sender, receiver, message: {sender, receiver} != {0, 3}
    for _ in range(milliseconds // 20):
        asking.ask()
        group.advance(20)
    group.reaches = lambda sender, receiver, message: True
    for _ in range(200):
        asking.ask()
        group.advance(20)
    assert views(group) == [0, 0, 0, 0]


def long_after_a_trouble() -> Asking:
    """The link between the primary and replica 3 was down for 0.8 seconds, half a minute ago."""
    asking = Asking()
    group = asking.group
    group.reaches = lambda sender, receiver, message: {sender, receiver} != {0, 3}
    for _ in range(40):
        asking.ask()
        group.advance(20)
    group.reaches = lambda sender, receiver, message: True
    group.advance(30_000)
    return asking


def test_after_such_a_trouble_one_crash_stops_nothing() -> None:
    """A backup crashes. The three others are correct and connected."""
    asking = long_after_a_trouble()
    asking.group.stopped.add(2)
    asking.ask()
    asking.group.advance(500)
    assert asking.executed(0) == asking.timestamp


def test_after_such_a_trouble_one_liar_does_not_end_the_view() -> None:
    """f liars move nobody (VC-5), but with one correct replica that has left they do."""
    group = long_after_a_trouble().group
    core = group.core(2)
    claims = tuple(core.checkpoints.held)
    assert claims == (0,)
    said = ViewChange(1, 0, (CheckpointClaim(0, core.checkpoints.held[0].digest),), (), (), 2, 0)
    group.say(2, said)
    group.advance(1000)
    assert group.core(0).view == 0
    assert group.core(1).view == 0


@pytest.mark.parametrize("offset", range(0, 1000, 100))
def test_one_proposal_that_is_lost_in_an_idle_group_costs_nobody_the_view(offset: int) -> None:
    """Whenever it is, between two STATUS of an idle replica."""
    asking = Asking()
    group = asking.group
    group.advance(3000 + offset)
    group.reaches = lambda sender, receiver, message: (
        not (receiver == 3 and isinstance(message, PrePrepare) and sender == 0)
    )
    asking.ask(0)
    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)
    assert asking.executed(3) == 1
    assert views(group) == [0, 0, 0, 0]


@pytest.mark.parametrize("offset", range(0, 1000, 100))
def test_one_lost_proposal_and_a_backup_that_says_no_commit(offset: int) -> None:
    """Replica 2 is faulty: it says PREPARE and no COMMIT. Replica 3 has lost one PRE-PREPARE."""
    asking = Asking()
    group = asking.group
    group.advance(3000 + offset)

    def lossy(sender: int, receiver: int, message: Message) -> bool:
        return not (sender == 2 and isinstance(message, Commit))

    group.reaches = lambda sender, receiver, message: (
        lossy(sender, receiver, message) and not (receiver == 3 and isinstance(message, PrePrepare))
    )
    asking.ask(0)
    group.reaches = lossy
    group.advance(3000)
    assert asking.executed(3) == 1
    assert UNHEARD not in reasons(group, 3)


class Proposing(Asking):
    """Primary 0 is faulty: each batch goes to two backups as it should. Before the third, another one each time, has
    it, no quorum has answered. No copy of its PRE-PREPAREs is authentic elsewhere; with `digests` it says neither
    COMMIT nor BATCHES."""

    def __init__(self, way: str, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.way = way
        self.took: list[int] = []
        self.group.reaches = self.reaches

    def reaches(self, sender: int, receiver: int, message: Message) -> bool:
        if isinstance(message, PrePrepare):
            return sender == 0 and self.propose(receiver, message)
        return sender != 0 or self.way == "nothing" or not isinstance(message, Commit | Batches)

    def propose(self, receiver: int, message: PrePrepare) -> bool:
        if receiver != 1 + message.sequence_number % 3:
            return True
        if self.way == "digests":
            batch = self.group.core(0).log.batch(message.digest)
            assert batch is not None
            slim = encode_batch(Batch(batch.time, batch.digests))
            frame = self.group.authenticators[0].seal(message, (slim,), receiver)
            self.group.wire.append((0, receiver, frame))
        return False

    def round(self) -> None:
        """One request, to all; until all backups that are in the view have executed it."""
        self.ask()
        began = self.group.now
        while any(self.executed(number) < self.timestamp for number in (1, 2, 3)) and self.group.now < began + 900_000:
            self.group.advance(10)
        self.took.append((self.group.now - began) // 1000)


@pytest.mark.parametrize("way", ["nothing", "digests"])
def test_a_primary_that_keeps_each_batch_from_another_backup_is_left(way: str) -> None:
    """`nothing`: that one gets no PRE-PREPARE. `digests`: it gets one with digests in place of small requests, which
    it has to fetch, although it holds them (SEP-1, SEP-2)."""
    proposing = Proposing(way)
    for _ in range(150):
        proposing.round()
        if max(views(proposing.group)) > 0:
            break
    assert max(views(proposing.group)) > 0


def test_timer_5_a_primary_that_withholds_what_comes_before_is_left() -> None:
    """Each batch is proposed at once, to all; the empty batch before it nearly a timeout later."""
    asking = Asking()
    group = asking.group
    held: list[tuple[int, Message, bytes]] = []

    def reaches(sender: int, receiver: int, message: Message) -> bool:
        if not isinstance(message, PrePrepare) or sender != 0:
            return True
        batch = group.core(0).log.batch(message.digest)
        assert batch is not None
        if batch.requests:
            return True
        held.append((receiver, message, batch.data))
        return False

    group.reaches = reaches
    for _ in range(60):
        normal_case.propose_batch(group.core(0), [])
        group.settle(0)
        asking.ask()
        group.advance(850)
        mine, held[:] = list(dict.fromkeys(held)), []
        for receiver, message, data in mine:
            group.say(0, message, receiver, attachments=(data,), run=False)
        group.run()
        assert asking.executed(1) == asking.timestamp
        if max(views(group)) > 0:
            break
    assert max(views(group)) > 0


def test_timer_5_a_primary_that_orders_nothing_before_something_is_left() -> None:
    """Primary 0 orders empty batches all the time, and what clients want only when a timeout is nearly over."""
    asking = Asking()
    group = asking.group
    for _ in range(60):
        group.reaches = lambda sender, receiver, message: not (receiver == 0 and isinstance(message, Request))
        frame = group.request((b"add 1",), asking.session, asking.timestamp + 1)
        asking.timestamp += 1
        group.submit(frame, 1, 2, 3)
        for _ in range(85):
            normal_case.propose_batch(group.core(0), [])
            group.settle(0)
            group.advance(10)
        group.submit(frame, 0)
        assert asking.executed(0) == asking.timestamp
        if max(views(group)) > 0:
            break
    assert max(views(group)) > 0


def test_timer_5_who_alone_does_not_hear_the_primary_does_not_take_it_for_slow() -> None:
    """The others had each proposal in time."""
    asking = Asking(Settings())
    group = asking.group
    group.reaches = lambda sender, receiver, message: not (sender == 0 and receiver == 3)
    for _ in range(30):
        asking.ask()
        while asking.executed(3) < asking.timestamp:  # so soon that the others answer only every other STATUS
            group.advance(10)
    assert views(group) == [0, 0, 0, 0]


class Far(Asking):
    """A group whose links take their time, always the same, and lose nothing."""

    def __init__(self, latency: dict[tuple[int, int], int], usual: int, settings: Settings | None = None) -> None:
        self.group = Group(4, settings or Settings(tentative_execution=False), has_entropy=settings is not None)
        for number in range(4):
            self.group.settle(number)
        self.group.run()
        for number in range(4):
            if settings is not None:
                self.group.core(number).keys.due = self.group.now + 10_000_000
        self.group.now += 1_000_000
        self.group.wall += 1_000_000
        self.session, self.timestamp = self.group.open_session(), 0
        self.latency, self.usual = latency, usual
        self.due: list[tuple[int, int, int, bytes]] = []
        self.count = 0
        self.group.run = self.run  # type: ignore[method-assign]

    def run(self) -> None:
        while self.group.wire:
            sender, receiver, frame = self.group.wire.popleft()
            self.count += 1
            late = self.latency.get((sender, receiver), self.usual) * 1000
            heapq.heappush(self.due, (self.group.now + late, self.count, receiver, frame))
        while self.due and self.due[0][0] <= self.group.now:
            _, _, receiver, frame = heapq.heappop(self.due)
            self.group.receive(receiver, frame)
            if self.group.wire:
                self.run()


@pytest.mark.parametrize("late", [40, 80, 120])
def test_a_link_that_takes_longer_than_the_way_round_costs_nobody_the_view(late: int) -> None:
    """From primary 0 to replica 3 it takes *late* milliseconds, everywhere else 10; nothing is lost."""
    far = Far({(0, 3): late}, 10)
    for _ in range(150):
        far.ask(0)
        far.group.advance(20)
    assert views(far.group) == [0, 0, 0, 0]


def test_the_shortest_period_of_session_keys_costs_nobody_the_view() -> None:
    """What is on its way when a replica says NEW-KEY is lost, the primary's PRE-PREPAREs too. All are correct."""
    period = 1000
    far = Far({}, 10, Settings(tentative_execution=False, key_refresh_ms=period))
    for number in range(4):
        far.group.core(number).keys.due = far.group.now + (number + 1) * period * 250
    for _ in range(1200):
        far.ask(0)
        far.group.advance(50)
    assert UNHEARD not in [reason for number in range(4) for reason in reasons(far.group, number)]

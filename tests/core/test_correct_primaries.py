"""TIMER-5 and TIMER-7 where all replicas are correct, and links lose messages, or are slow: the primary stays."""

from __future__ import annotations

import random

import pytest

from core.group import Group
from core.test_reach import Omitting, reasons, views
from core.test_reach_in_trouble import Asking, Far
from core.test_slow_primary import Slow
from quorate.config import Settings
from quorate.core.paced import GAPS
from quorate.core.retransmission import own_status
from quorate.messages.protocol import PrePrepare, Status

TIMEOUT = Settings().view_change_timeout_ms
STATUS_INTERVAL = Settings().status_interval_ms


def all_reasons(group: Group) -> list[object]:
    return [reason for number in range(len(group.replicas)) for reason in reasons(group, number)]


class Lossy(Far):
    """Each message takes two milliseconds, or is lost. Two clients ask one thing after the other: the primary, or all
    ten times a second at most."""

    def __init__(self, seed: int, share: float) -> None:
        super().__init__({}, 0)
        self.sessions = [self.session, self.group.open_session(client=1, timestamp=2)]
        self.usual = 2
        self.drawn = random.Random(seed)
        self.group.reaches = lambda sender, receiver, message: self.drawn.random() >= share
        self.asked = [(0, 0), (0, 0)]
        self.to_all = [0, 0]

    def executed_by(self, client: int) -> int:
        rows = [
            core.tables.session(self.group.clients[client].client_id, self.sessions[client])
            for core in (replica.core for replica in self.group.replicas)
        ]
        return sorted(0 if row is None else row.timestamp for row in rows)[-2]

    def pass_time(self, milliseconds: int) -> None:
        group = self.group
        for _ in range(milliseconds):
            group.now += 1000
            group.wall += 1000
            for client, (timestamp, since) in enumerate(self.asked):
                is_done = self.executed_by(client) >= timestamp
                if is_done:
                    self.asked[client] = (timestamp + 1, group.now)
                elif group.now < since + 1_000_000:
                    continue
                else:
                    self.asked[client] = (timestamp, group.now)
                frame = group.request((b"add 1",), self.sessions[client], self.asked[client][0], client)
                is_for_all = not is_done or group.now >= self.to_all[client] + 100_000
                self.to_all[client] = group.now if is_for_all else self.to_all[client]
                group.submit(frame, *(() if is_for_all else (group.core(1).primary,)))
            for number, replica in enumerate(group.replicas):
                deadline = replica.next_deadline()
                if deadline is not None and deadline <= group.now:
                    group.settle(number)
            group.run()


@pytest.mark.parametrize("seed", range(3))
def test_timer_7_where_one_message_of_a_hundred_is_lost_nobody_leaves(seed: int) -> None:
    """All replicas are correct, and the group goes on by STATUS."""
    lossy = Lossy(seed, 0.01)
    lossy.pass_time(6_000)
    assert [reason for reason in all_reasons(lossy.group) if "does not reach" in str(reason)] == []


def test_timer_7_a_link_that_takes_longer_than_the_way_round_makes_no_storm_of_status() -> None:
    """From primary 0 to replica 3 it takes 40 milliseconds, everywhere else 10; nothing is lost."""
    far = Far({(0, 3): 40}, 10)
    far.group.sent.clear()
    rounds = 150
    for _ in range(rounds):
        far.ask(0)
        far.group.advance(20)
    said = sum(1 for sender, message in far.group.sent if sender == 3 and isinstance(message, Status))
    assert said <= 2 * rounds * 20 // STATUS_INTERVAL, "what it waits for, and what it says in any case"


@pytest.mark.parametrize("late", [40, 60])
def test_timer_5_who_hears_the_primary_later_than_the_others_does_not_leave_alone(late: int) -> None:
    """The others have agreed when its proposals come here, so agreeing seems to take no time."""
    far = Far({(0, 3): late}, 10)
    for _ in range(3 * GAPS):
        far.ask()
        far.group.advance(200)
    assert views(far.group) == [0, 0, 0, 0]


def test_timer_5_two_hitches_in_a_minute_cost_no_view() -> None:
    """A client asks every five seconds. The machine of the primary stands still twice when it does."""
    slow = Slow()
    for number in range(GAPS):
        slow.ask(160 if number in (2, 8) else 1)
        slow.group.now += 5_000_000
        slow.group.wall += 5_000_000
        for replica in range(4):
            slow.group.settle(replica)
        slow.group.run()
    assert slow.views == {0}


def test_timer_5_what_is_lost_while_another_replica_is_down_is_not_the_primarys_delay() -> None:
    """Replica 3 has crashed. Three PRE-PREPAREs to replica 1 are lost. If that one leaves, nothing is agreed on until
    the timers of the others are over."""
    asking = Asking()
    group = asking.group
    group.stopped.add(3)
    for number in range(GAPS + 2):
        is_lost = number in (1, 5, 10)
        group.reaches = lambda sender, receiver, message, is_lost=is_lost: (  # type: ignore[misc]
            not (is_lost and isinstance(message, PrePrepare) and receiver == 1)
        )
        asking.ask()
        group.reaches = lambda sender, receiver, message: True
        group.advance(300)
    assert asking.executed(1) == asking.timestamp
    assert all_reasons(group) == []


def test_timer_7_what_was_waited_for_long_ago_is_forgotten() -> None:
    """The link from the primary to replica 3 was bad for a few minutes, and nobody else's. Half a minute later
    one proposal is late to it, and one to another."""
    omitting = Omitting()
    group = omitting.group
    for _ in range(400):
        omitting.ask()
        omitting.leave_out(3, milliseconds=TIMEOUT // 4)
    assert views(group) == [0] * 4
    for _ in range(30):
        group.now += 1_000_000
        group.wall += 1_000_000
        omitting.ask()
    assert group.core(3).last_executed == 1 + omitting.timestamp
    omitting.leave_out(2, 3, milliseconds=20)
    assert views(group) == [0] * 4


def test_timer_7_the_primary_lacks_none_of_its_proposals() -> None:
    """Its STATUS may have been under way for long."""
    asking = Asking()
    group = asking.group
    said = own_status(group.core(0))
    asking.ask()
    assert asking.executed(3) == 1
    group.say(0, said, 3)
    assert not group.core(3).reach.lacking

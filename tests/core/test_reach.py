"""TIMER-6, TIMER-7: a primary that does not propose the same to all is left."""

from __future__ import annotations

from collections import deque

import pytest
from msgspec.structs import replace

from core.group import Group
from quorate.config import Settings
from quorate.core import reach, separate, view_change
from quorate.core.context import Core
from quorate.core.log import open_batch
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import Batch, Commit, Message, Prepare, PrePrepare, SlotFlag, Status

MILLISECOND = 1000
SETTINGS = Settings(tentative_execution=False, view_change_timeout_max_ms=12_000)
TIMEOUT = SETTINGS.view_change_timeout_ms
STATUS_INTERVAL = SETTINGS.status_interval_ms
TOLD_OTHERWISE = "the primary told others something else"
UNHEARD = "what the primary proposes to others does not reach this replica"


def proposal(group: Group, sequence_number: int = 1, variant: int = 0) -> tuple[PrePrepare, bytes]:
    """A batch without requests of replica 0, primary of view 0."""
    data = encode_batch(Batch(group.wall + variant, ()))
    return PrePrepare(0, sequence_number, open_batch(data).digest, 0), data


def views(group: Group) -> list[int]:
    return [replica.report().view for replica in group.replicas if replica.core.replica_id not in group.stopped]


def reasons(group: Group, replica: int) -> list[object]:
    """Why a replica left its views."""
    return [trace.details["reason"] for trace in group.traces[replica] if trace.event == "view-change"]


def propose(group: Group, message: PrePrepare, data: bytes, *receivers: int) -> None:
    group.say(0, message, *receivers, attachments=(data,), run=False)


@pytest.mark.parametrize("is_first", [True, False])
def test_timer_6_who_was_told_something_else_leaves(is_first: bool) -> None:
    """Whether the votes of others or the own proposal comes first."""
    group = Group(4, SETTINGS)
    group.reaches = lambda sender, receiver, message: isinstance(message, Prepare | Commit)
    (message, data), (other, other_data) = proposal(group), proposal(group, variant=1)
    if is_first:
        propose(group, other, other_data, 3)
    propose(group, message, data, 1, 2)
    group.run()
    if not is_first:
        assert group.core(3).view == 0
        propose(group, other, other_data, 3)
    group.run()
    assert [group.core(number).view for number in (1, 2, 3)] == [0, 0, 1]
    assert reasons(group, 3) == [TOLD_OTHERWISE]


def test_timer_6_so_does_who_waits_for_a_request_of_what_it_was_told() -> None:
    """A proposal that is parked was proposed."""
    group = Group(4, SETTINGS)
    (message, data), (_, late) = proposal(group), proposal(group)
    ahead = encode_batch(Batch(group.wall + 3600 * 1000 * MILLISECOND, ()))
    propose(group, PrePrepare(0, 1, open_batch(ahead).digest, 0), ahead, 3)
    assert group.core(3).log.slots[1].parked is not None
    assert late == data
    propose(group, message, data, 1, 2)
    group.run()
    assert group.core(3).view == 1


@pytest.mark.parametrize("is_accepted", [True, False])
def test_timer_6_who_was_told_two_things_leaves(is_accepted: bool) -> None:
    """Whether the first one was accepted, or waits because its time is too far ahead."""
    group = Group(4, SETTINGS)
    group.reaches = lambda sender, receiver, message: False
    ahead = 0 if is_accepted else 3600 * 1000 * MILLISECOND
    (message, data), (other, other_data) = proposal(group, variant=ahead), proposal(group, variant=1)
    propose(group, message, data, 3)
    slot = group.core(3).log.slots[1]
    assert (slot.digest == message.digest, slot.parked is not None) == (is_accepted, not is_accepted)
    propose(group, message, data, 3)
    assert group.core(3).view == 0, "it may repeat itself"
    propose(group, other, other_data, 3)
    assert reasons(group, 3) == [TOLD_OTHERWISE]


def test_timer_6_f_others_cannot_say_so() -> None:
    """n = 7: three others of which one is correct can; two may lie."""
    group = Group(7, SETTINGS)
    (message, data), (other, _) = proposal(group), proposal(group, variant=1)
    propose(group, message, data, 6)
    for liar in (1, 2):
        group.say(liar, Prepare(0, 1, other.digest, liar), 6, run=False)
    assert group.core(6).view == 0
    group.say(3, Prepare(0, 1, other.digest, 3), 6, run=False)
    assert group.core(6).view == 1


def test_timer_6_f_plus_1_that_were_told_something_else_take_the_others_along() -> None:
    """n = 7, f = 2. Four have one batch, which prepares nowhere."""
    group = Group(7, SETTINGS)
    (message, data), (other, other_data) = proposal(group), proposal(group, variant=1)
    propose(group, message, data, 1, 2, 3)
    propose(group, other, other_data, 4, 5, 6)
    group.run()
    assert views(group) == [1] * 7


class Omitting:
    """A group whose primary's PRE-PREPAREs do not reach some backups, though they reach others."""

    def __init__(self, replica_count: int = 4) -> None:
        self.group = Group(replica_count, SETTINGS)
        self.session = self.group.open_session()
        self.timestamp = 0
        self.omitted: set[int] = set()
        self.group.reaches = self.reaches

    def reaches(self, sender: int, receiver: int, message: Message) -> bool:
        return not (isinstance(message, PrePrepare) and receiver in self.omitted)

    def ask(self, *omitted: int) -> None:
        """One request to the primary. Its proposal does not reach these."""
        self.timestamp += 1
        self.omitted = set(omitted)
        primary = self.group.core(0).primary
        self.group.submit(self.group.request((b"add 1",), self.session, self.timestamp), primary)

    def wait(self, milliseconds: int) -> None:
        """For so long whoever lacks something says so, and is sent nothing; then it is."""
        reaches, self.group.reaches = self.group.reaches, lambda sender, receiver, message: isinstance(message, Status)
        self.group.advance(milliseconds)
        self.group.reaches = reaches
        self.omitted = set()
        self.group.advance(2 * STATUS_INTERVAL)

    def leave_out(self, *backups: int, milliseconds: int) -> None:
        """A request for each of these, whose proposal does not reach it; then all wait."""
        for backup in backups:
            self.ask(backup)
        self.wait(milliseconds)


def test_timer_7_who_waits_too_much_for_what_others_have_leaves() -> None:
    """Each time another backup is left out: time-outs see progress."""
    omitting = Omitting()
    rounds = 0
    while min(views(omitting.group)) == 0 and rounds < 50:
        rounds += 1
        omitting.leave_out(1, 2, 3, milliseconds=TIMEOUT // 5)
    assert 2 <= rounds <= 10
    assert views(omitting.group) == [1] * 4
    left = [reasons(omitting.group, backup) for backup in (1, 2, 3)]
    assert left.count([UNHEARD]) >= 2, "f + 1; the others may have gone along"


def test_timer_7_who_is_left_out_alone_stays() -> None:
    """Others could not tell that from a lie, nor the backup from a bad link of its own: it would be missing."""
    omitting = Omitting()
    for _ in range(20):
        omitting.leave_out(3, milliseconds=TIMEOUT // 4)
        assert omitting.group.core(3).last_executed == 1 + omitting.timestamp
    assert views(omitting.group) == [0] * 4


def test_timer_7_unless_another_has_left_already() -> None:
    omitting = Omitting()
    view_change.start(omitting.group.core(2), 1, "this test")
    omitting.group.settle(2)
    omitting.group.run()
    for _ in range(4):
        omitting.leave_out(3, milliseconds=TIMEOUT // 4)
    assert views(omitting.group) == [1] * 4
    assert reasons(omitting.group, 3) == [UNHEARD]


def test_timer_7_what_is_under_way_to_another_it_does_not_lack() -> None:
    """STATUS may come before a proposal; or from another view."""
    group = Group(4, SETTINGS)
    group.reaches = lambda sender, receiver, message: False
    message, data = proposal(group)
    propose(group, message, data, 1)
    core = group.core(1)
    lacks = Status(0, False, 0, 0, b"", 0, (), 2)
    group.say(2, lacks, 1)
    assert not core.reach.lacking, "it is not prepared here either"
    for voter in (2, 3):
        group.say(voter, Prepare(0, 1, message.digest, voter), 1)
    for other in (
        replace(lacks, view=1),
        replace(lacks, is_changing_view=True),
        replace(lacks, last_executed=1),
        replace(lacks, slots=bytes([SlotFlag.PRE_PREPARED])),
    ):
        group.say(2, other, 1)
        assert not core.reach.lacking
    group.say(2, lacks, 1)
    assert core.reach.lacking == {2: deque([group.now])}


def test_timer_7_it_asks_soon() -> None:
    """Once: as soon as it has waited longer than a message takes, and then as often as who lacks something else."""
    omitting = Omitting()
    group = omitting.group
    group.advance(10 * STATUS_INTERVAL)
    group.reaches = lambda sender, receiver, message: receiver != 3 or isinstance(message, Prepare)
    omitting.ask()
    group.sent.clear()
    group.advance(separate.patience(group.core(3)) // MILLISECOND - 1)
    assert not asked(group, 3)
    group.advance(20)
    assert asked(group, 3) == 1
    group.advance(STATUS_INTERVAL // 2)
    assert asked(group, 3) == 1
    group.advance(STATUS_INTERVAL)
    assert asked(group, 3) == 2


def asked(group: Group, replica: int) -> int:
    """How often it has said STATUS."""
    return sum(1 for sender, message in group.sent if sender == replica and isinstance(message, Status))


def test_timer_7_one_that_is_left_out_for_once_does_not() -> None:
    """Whatever its reason is: a link that breaks, a machine that stands still."""
    omitting = Omitting()
    for _ in range(5):
        omitting.leave_out(3, milliseconds=TIMEOUT // 4)
        assert omitting.group.core(3).last_executed == 1 + omitting.timestamp, "it did wait, and has it now"
        omitting.group.advance(6 * TIMEOUT)
    assert views(omitting.group) == [0] * 4


def test_timer_7_what_overtakes_a_proposal_by_little_is_nothing() -> None:
    """However often: votes are smaller than proposals."""
    group = Group(4, SETTINGS)
    for number in range(1, 100):
        message, data = proposal(group, number)
        propose(group, message, data, 1, 2)
        group.run()
        group.now += separate.patience(group.core(3))
        propose(group, message, data, 3)
        group.run()
    assert group.core(3).last_executed == 99
    assert group.core(3).reach.waited == 0
    assert views(group)[3] == 0


def test_timer_7_nor_for_one_long_trouble() -> None:
    """Of one backup, while another one lacks something too: a link of each breaks."""
    assert view_after_one_long_trouble() == 0


def view_after_one_long_trouble() -> int:
    omitting = Omitting()
    core = omitting.group.core(3)
    for _ in range(5):
        core.reach.lacking[2] = deque([omitting.group.now] * reach.LACKS)
        omitting.leave_out(3, milliseconds=TIMEOUT // 5)
        assert core.last_executed == 1 + omitting.timestamp
    return core.view


def test_timer_7_many_batches_that_were_waited_for_at_once_count_once() -> None:
    omitting = Omitting()
    for _ in range(10):
        omitting.ask(3)
    omitting.wait(TIMEOUT // 4)
    assert omitting.group.core(3).last_executed == 11
    assert views(omitting.group) == [0] * 4


def test_timer_7_who_has_left_the_view_counts_for_one_that_accepted() -> None:
    """Its PREPAREs are missing. Else the first to leave would leave the others to a primary that omits them too."""
    group = Group(4, SETTINGS)
    digest = proposal(group)[0].digest
    group.say(2, Prepare(0, 1, digest, 2), 1, run=False)
    assert not group.core(1).reach.vouched
    view_change.start(group.core(3), 1, "this test")
    group.settle(3)
    group.say(2, Prepare(0, 2, digest, 2), 1, run=False)
    assert not group.core(1).reach.vouched, "only from when on it is known here"
    group.run()
    group.say(2, Prepare(0, 3, digest, 2), 1, run=False)
    assert list(group.core(1).reach.vouched) == [3]


def test_timer_7_f_others_make_nobody_wait() -> None:
    """One liar says that it accepted what the primary never proposed."""
    group = Group(4, SETTINGS)
    for number in range(1, 50):
        group.say(1, Prepare(0, number, bytes(32), 1), 3)
        group.advance(STATUS_INTERVAL)
    assert views(group) == [0] * 4
    assert not group.core(3).reach.vouched


def test_timer_7_where_f_plus_1_others_were_left_for_the_same_it_is_the_network() -> None:
    """For a while."""
    core = core_that_has_waited(1, 2)
    assert not leaves(core)
    core.now += SETTINGS.view_change_timeout_max_ms * MILLISECOND
    core.reach.waited *= 10
    assert leaves(core)


def test_timer_7_one_other_that_was_left_for_the_same_is_not_enough() -> None:
    """It may have been faulty. Nor is the present primary's last term."""
    assert leaves(core_that_has_waited(0, 1))


def core_that_has_waited(*left: int) -> Core:
    """Replica 3, for which it was too long already, and which has left these primaries for that just now."""
    core = Group(4, SETTINGS).core(3)
    core.now = 100_000_000
    core.reach.waited = TIMEOUT * MILLISECOND
    core.reach.counted_until = core.now - TIMEOUT * MILLISECOND
    core.reach.left = dict.fromkeys(left, core.now - 1000)
    return core


def leaves(core: Core) -> bool:
    """Whether it leaves the primary when it has waited once more, and another one lacks proposals too."""
    core.reach.lacking = {1: deque([core.now] * reach.LACKS)}
    reach.end_wait(core, core.now - TIMEOUT * MILLISECOND)
    return core.reach.is_unheard


def test_timer_7_a_view_begins_anew() -> None:
    """What was waited for in one view is not the next primary's fault."""
    omitting = Omitting()
    core = omitting.group.core(3)
    for _ in range(50):
        if core.view == 0:
            omitting.leave_out(2, 3, milliseconds=TIMEOUT // 4)
    assert core.view == 1
    assert (core.reach.waited, core.reach.is_unheard) == (0, False)
    assert list(core.reach.left) == [0]


@pytest.mark.parametrize("replica_count", [1, 3])
def test_timer_7_where_nobody_may_fail_nobody_is_left_for_it(replica_count: int) -> None:
    omitting = Omitting(replica_count)
    for _ in range(10):
        omitting.ask(*range(2, replica_count))
        omitting.wait(TIMEOUT // 4)
    assert views(omitting.group) == [0] * replica_count

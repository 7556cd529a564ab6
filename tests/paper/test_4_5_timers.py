"""Timers and liveness (OSDI'99 4.4, 4.5.2; facts 1.7)."""

from __future__ import annotations

import pytest

from core.group import Group
from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import Settings
from quorate.core.context import Status
from quorate.core.log import open_batch
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import (
    Batch,
    Commit,
    Decided,
    NewView,
    Prepare,
    PrePrepare,
    Request,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage

SECOND = 1_000_000
FAST = Settings(view_change_timeout_ms=1000, view_change_timeout_max_ms=8000)


def views(group: Group) -> list[int]:
    return [group.core(number).view for number in range(len(group.replicas))]


def test_timer_1_the_timer_runs_for_a_request_and_ends_the_view() -> None:
    """4.4: "if the timer of backup i expires in view v, the backup starts a view change to move to view v + 1"."""
    group = Group(4, FAST)
    group.stopped.add(0)
    group.submit(group.request((), 0, 1))
    group.advance(980)
    assert views(group) == [0, 0, 0, 0]
    group.advance(100)
    assert views(group)[1:] == [1, 1, 1]
    assert [group.core(number).last_executed for number in (1, 2, 3)] == [1, 1, 1]


def test_timer_1_nothing_waits_no_timer_runs() -> None:
    """4.4: "a backup is waiting for a request if it received a valid request and has not executed it"."""
    group = Group(4, FAST)
    group.open_session()
    group.advance(30_000)
    assert views(group) == [0, 0, 0, 0]


def test_timer_1_a_request_first_seen_in_a_pre_prepare_starts_it_too() -> None:
    """Facts 1.7: "received a valid request", directly or inside a PRE-PREPARE."""
    group = Group(4, FAST)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Prepare | StatusMessage)
    group.submit(group.request((), 0, 1), 0)
    group.stopped.add(0)
    group.advance(1100)
    assert views(group)[1:] == [1, 1, 1]


def test_timer_1_a_gap_in_the_sequence_numbers_is_no_progress() -> None:
    """P4: a primary that skips a number has its view ended."""
    group = Group(4, FAST)
    group.open_session()
    data = encode_batch(Batch(group.wall, ()))
    proposal = PrePrepare(0, 3, open_batch(data).digest, 0)
    group.say(0, proposal, attachments=(data,))
    group.stopped.add(0)
    group.advance(1100)
    assert min(views(group)[1:]) == 1


def test_timer_1_only_the_oldest_request_restarts_it() -> None:
    """P7: a primary that starves one client while it serves the others has its view ended all the same. A replica's
    queue is first come, first served; another client's progress does not restart the timer."""
    group = Group(4, FAST)
    session = group.open_session(client=1)
    starved = group.request((), 0, 7, client=0)
    group.reaches = lambda sender, receiver, message: not (isinstance(message, Request) and message.timestamp == 7)
    group.submit(starved, 1, 2, 3)
    for timestamp in range(1, 12):
        group.submit(group.request((b"add 1",), session, timestamp, client=1))
        group.advance(100)
        if min(views(group)) == 1:
            break
    assert timestamp <= 11
    assert views(group) == [1, 1, 1, 1]


def test_timer_2_it_starts_at_a_quorum_of_view_changes() -> None:
    """4.5.2: "after multicasting a VIEW-CHANGE for v + 1 a replica waits for 2f + 1 VIEW-CHANGEs for v + 1 before
    starting its timer". One replica alone waits for ever, in its one view."""
    group = Group(4, FAST)
    group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Request)
    # Only replica 3 hears of a request, and nobody else hears from it.
    group.submit(group.request((), 0, 2), 3)
    group.advance(30_000)
    assert views(group) == [0, 0, 0, 1]
    assert group.core(3).timers.view_change_deadline is None
    # A second one makes two, f + 1: the others join. Nobody leads: a quorum's timers run.
    group.stopped |= {0, 1}
    group.submit(group.request((), 0, 2), 2)
    group.advance(1100)
    assert group.core(2).view == 1
    assert group.core(2).timers.view_change_deadline is None
    group.say(0, ViewChange(1, 0, group_checkpoints(group), (), (), 0, 0), 2)
    assert group.core(2).timers.view_change_deadline == group.now + group.core(2).timers.timeout


def group_checkpoints(group: Group):  # type: ignore[no-untyped-def]
    """C of a replica that holds the first state alone."""
    return group.core(2).views.view_changes[2][0].checkpoints


def test_timer_3_it_doubles_up_to_a_cap_and_comes_down() -> None:
    """4.5.2: "waits 2T, then 4T ..."; P9: it has a cap, and comes down while requests are executed."""
    group = Group(4, FAST)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, NewView)
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 1), 1, 2, 3)
    timeouts = set()
    for _ in range(400):
        group.advance(100)
        timeouts.add(group.core(2).timers.timeout)
    assert timeouts == {SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND}
    group.reaches = lambda sender, receiver, message: True
    group.stopped.clear()
    group.advance(20_000)
    for timestamp in range(2, 30):
        group.submit(group.request((b"add 1",), session, timestamp))
        group.advance(1000)
    assert {group.core(number).timers.timeout for number in range(4)} == {SECOND}


def test_timer_3_a_view_that_executed_something_new_does_not_double_it() -> None:
    """Facts 1.7: the time doubles only when nothing that was not executed before is executed in the view."""
    group = Group(4, FAST)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1))
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 2))
    group.advance(1100)
    assert [group.core(number).timers.timeout for number in (1, 2, 3)] == [SECOND] * 3
    assert [group.core(number).status for number in (1, 2, 3)] == [Status.NORMAL] * 3


def test_timer_3_who_leaves_long_before_a_quorum_does_doubles_its_time() -> None:
    """A replica that has restarted has the shortest timeout again, the others the longest. With one replica dead they
    need each other: if it left every view after that time, something would be executed in each, and then nothing until
    the others left too."""
    group = Group(4, FAST)
    session = group.open_session()
    group.stopped.add(3)
    group.reaches = lambda sender, receiver, message: not isinstance(message, PrePrepare)
    for number in (0, 1):
        group.core(number).timers.timeout = 8 * SECOND
    group.submit(group.request((b"add 1",), session, 1))
    group.core(2).timers.progress_since = group.core(2).now
    group.advance(1100)
    assert [group.core(number).status for number in (0, 1, 2)] == [Status.NORMAL, Status.NORMAL, Status.VIEW_CHANGE]
    assert group.core(2).timers.timeout == SECOND, "something was executed in the view"
    group.reaches = lambda sender, receiver, message: True
    group.advance(8_000)
    assert [group.core(number).view for number in (0, 1, 2)] == [1, 1, 1]
    assert group.core(2).timers.timeout == 2 * SECOND


def slow_proposal(group: Group, sequence_number: int, seconds_behind: int) -> tuple[PrePrepare, bytes]:
    data = encode_batch(Batch(group.wall - seconds_behind * SECOND, ()))
    return PrePrepare(0, sequence_number, open_batch(data).digest, 0), data


def test_timer_4_a_primary_whose_clock_stays_behind_is_suspected_its_batches_accepted() -> None:
    """Decisions, time: a primary that stays more than the skew behind a backup's clock for a timeout is
    suspected."""
    group = Group(4, FAST)
    group.open_session()
    for number in range(2, 14):
        proposal, data = slow_proposal(group, number, 6)
        group.say(0, proposal, attachments=(data,), run=False)
        group.run()
        if number < 10:
            assert group.core(1).last_executed == number
        group.advance(120)
    assert min(views(group)) == 1


def test_timer_4_one_late_batch_is_no_slow_clock() -> None:
    """One batch that was long under way says nothing of the primary's clock an hour later."""
    group = Group(4, FAST)
    group.open_session()
    proposal, data = slow_proposal(group, 2, 6)
    group.say(0, proposal, attachments=(data,))
    group.advance(20_000)
    assert views(group) == [0, 0, 0, 0]


def test_timer_4_what_a_new_view_chose_says_nothing_of_its_primarys_clock() -> None:
    """Architecture: what a valid NEW-VIEW chose skips clock checks. A view change in a cluster that has been idle for
    long does not convict one primary after the other of the old times of old batches."""
    group = Group(4, FAST)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1))
    group.advance(10_000)
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 2))
    group.advance(1500)
    assert views(group)[1:] == [1, 1, 1]
    # The re-proposed batches are ten seconds old, and so is a fresh proposal of nobody.
    assert [group.core(number).timers.behind_since for number in (1, 2, 3)] == [None] * 3
    group.advance(20_000)
    assert views(group)[1:] == [1, 1, 1]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_late_proposal_of_an_executed_number_starts_no_timer(is_known: bool) -> None:
    """A replica that executed a number by DECIDED claims, and then accepts its PRE-PREPARE for the others' sake, waits
    for none of its requests: those that execution refused would be waited for for ever."""
    group = Group(4, FAST)
    group.open_session()
    number = 0 if is_known else 201
    if is_known:
        frame = group.request((b"add 1",), 999_999, 1)  # of a session that never was
    else:
        from core.group import key_pair

        client = ClientAuthenticator(key_pair(number), group.configuration)
        stranger = ClientAuthenticator(key_pair(250), group.configuration)
        assert client.client_id != stranger.client_id
        frame = stranger.seal(Request(stranger.client_id, 5, 1, (b"add 1",)))
    data = encode_batch(Batch(group.wall, (frame,)))
    proposal = PrePrepare(0, 2, open_batch(data).digest, 0)
    group.reaches = lambda sender, receiver, message: receiver != 3 or isinstance(message, Decided)
    group.say(0, proposal, 1, 2, attachments=(data,))
    group.say(0, Commit(0, 2, proposal.digest, 0), 1, 2)
    for digest_holder in (1, 2):
        assert group.core(digest_holder).last_executed == 2
        group.say(digest_holder, Decided(group_entries(2, proposal.digest), digest_holder), 3, run=False)
    group.core(3).log.hold(open_batch(data), 2)
    group.settle(3)
    assert group.core(3).last_executed == 2
    group.say(0, proposal, 3, attachments=(data,))
    assert group.core(3).log.slots[2].digest == proposal.digest
    group.advance(5000)
    assert views(group)[3] == 0


def group_entries(sequence_number: int, digest: bytes):  # type: ignore[no-untyped-def]
    from quorate.messages.protocol import Chosen

    return (Chosen(sequence_number, digest),)


def test_a_parked_proposal_of_an_executed_number_starts_no_timer() -> None:
    """A number that was executed by DECIDED claims while its PRE-PREPARE was parked is not waited for."""
    group = Group(4, FAST)
    group.open_session()
    data = encode_batch(Batch(group.wall + 60 * SECOND, ()))
    proposal = PrePrepare(0, 2, open_batch(data).digest, 0)
    group.reaches = lambda sender, receiver, message: False
    group.say(0, proposal, 3, attachments=(data,))
    assert group.core(3).parked == {2}
    for claimer in (1, 2):
        group.say(claimer, Decided(group_entries(2, proposal.digest), claimer), 3)
    group.core(3).log.hold(open_batch(data), 2)
    group.settle(3)
    assert group.core(3).last_executed == 2
    for _ in range(500):
        group.now += 10_000
        group.wall += 10_000
        group.settle(3)
    assert group.core(3).view == 0

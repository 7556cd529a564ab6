"""Tentative execution (OSDI'99 5.1; facts 3.2)."""

from __future__ import annotations

import pytest

from core.group import Group, total_of
from quorate.config import Settings
from quorate.core import view_change
from quorate.core.effects import Persist, SendReply
from quorate.core.log import open_batch
from quorate.core.normal_case import can_wait
from quorate.core.replica import Replica
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import (
    Batch,
    Batches,
    Chosen,
    Commit,
    Decided,
    Message,
    Prepare,
    PrePrepare,
    Reply,
)
from quorate.messages.records import PreparedRecord

SMALL = Settings(checkpoint_interval=4)


def only_prepared(sender: int, receiver: int, message: Message) -> bool:
    """What is said, but for COMMITs and what is decided."""
    return not isinstance(message, Commit | Decided)


def totals(group: Group) -> list[int]:
    return [total_of(service) for service in group.services]


def replies_to(group: Group, timestamp: int) -> list[Reply]:
    return [reply for _, reply in group.replies if reply.session and reply.timestamp == timestamp]


def prepared_group(settings: Settings = SMALL) -> tuple[Group, int]:
    """A group in which `add 5` is executed tentatively everywhere, as number 2, and no COMMIT arrives."""
    group = Group(4, settings)
    session = group.open_session()
    group.reaches = only_prepared
    group.submit(group.request((b"add 5",), session, 1), 0)
    return group, session


def test_tent_1_what_is_prepared_is_executed_and_answered() -> None:
    """5.1: "replicas execute requests tentatively. A replica executes ... as soon as it has received 2f matching
    prepares and the pre-prepare, its state reflects the execution of all requests with lower sequence number, and
    these requests are all known to have committed"."""
    group, _ = prepared_group()

    assert totals(group) == [5, 5, 5, 5]
    assert [(reply.results, reply.is_tentative, reply.view) for reply in replies_to(group, 1)] == [
        ((b"5",), True, 0)
    ] * 4
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4


def test_tent_1_when_it_commits_it_is_not_executed_again_nor_answered_again() -> None:
    group, _ = prepared_group()

    group.reaches = lambda sender, receiver, message: True
    group.advance(500)

    assert totals(group) == [5, 5, 5, 5]
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert len(replies_to(group, 1)) == 4


def test_tent_1_it_can_be_switched_off() -> None:
    group, _ = prepared_group(Settings(checkpoint_interval=4, tentative_execution=False))

    assert totals(group) == [0, 0, 0, 0]
    assert not replies_to(group, 1)


def test_tent_1_an_answer_to_a_repeated_request_says_that_it_is_tentative() -> None:
    """And in which view it was prepared, though the replica may have left that."""
    group, session = prepared_group()
    group.replies.clear()

    group.advance(2000)
    assert group.core(2).view > 0
    group.receive(2, group.request((b"add 5",), session, 1, is_signed=True))

    assert {(reply.view, reply.is_tentative) for _, reply in group.replies} == {(0, True)}
    group.reaches = lambda sender, receiver, message: True
    group.advance(2000)
    group.replies.clear()
    group.receive(2, group.request((b"add 5",), session, 1, is_signed=True))
    assert [reply.is_tentative for _, reply in group.replies] == [False]


def test_tent_1_the_prepared_certificate_is_on_disk_before_the_reply_leaves() -> None:
    """2f + 1 tentative replies are as good as a commit only while P outlives a crash (DISK-1)."""
    group = Group(4, SMALL)
    session = group.open_session()
    frame = group.request((b"add 5",), session, 1)
    effects = []
    settle = Replica.settle

    def watch(replica: Replica, now: int, wall: int) -> list[object]:
        done = settle(replica, now, wall)
        if replica is group.replicas[1]:
            effects.extend(done)
        return list(done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replica, "settle", watch)
        group.submit(frame, 0)

    kept = next(at for at, one in enumerate(effects) if isinstance(one, Persist) and type(one.record) is PreparedRecord)
    told = next(at for at, one in enumerate(effects) if isinstance(one, SendReply))
    assert effects[told].message.is_tentative
    assert kept < told


def test_tent_2_one_batch_at_a_time() -> None:
    """Facts 3.2: "at most one batch (last_executed + 1) is tentative at a time"."""
    group, session = prepared_group()

    group.submit(group.request((b"add 2",), session, 2), 0)

    assert totals(group) == [5, 5, 5, 5]
    assert not replies_to(group, 2)


def test_tent_2_what_changes_the_core_for_good_is_not_executed_tentatively() -> None:
    """The opening of a session, and whatever a checkpoint follows: that is taken of what has committed."""
    group = Group(4, SMALL)
    group.reaches = only_prepared
    group.submit(group.request((), 0, 1), 0)
    assert not group.replies

    group = Group(4, SMALL)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)
    group.submit(group.request((b"add 1",), session, 2), 0)
    group.reaches = only_prepared
    group.submit(group.request((b"add 1",), session, 3), 0)
    assert {core.last_executed for core in map(group.core, range(4))} == {3}
    assert all(group.core(number).log.slots[4].phase.name == "PREPARED" for number in range(4))
    assert totals(group) == [2, 2, 2, 2]
    assert not replies_to(group, 3)


def test_tent_3_it_stands_when_a_new_view_keeps_its_digest() -> None:
    """The new view goes through the phases again for it. Who answered in the old view then answers anew: tentative
    replies of two views are no certificate together."""
    group, _ = prepared_group()
    group.advance(1500)
    assert {group.core(number).view for number in range(4)} != {0}
    assert totals(group) == [5, 5, 5, 5]

    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)

    assert totals(group) == [5, 5, 5, 5]
    assert {group.core(number).last_executed for number in range(4)} == {2}
    assert not any(trace.event == "tentative-undone" for traces in group.traces for trace in traces)
    assert {number for number, reply in group.replies if reply.session and not reply.is_tentative} == {0, 1, 2, 3}


def deceive(group: Group, session: int) -> None:
    """The primary and another liar let replica 1 prepare, as number 2, what nobody else has."""
    core = group.core(1)
    data = encode_batch(Batch(group.wall, (group.request((b"add 100",), session, 1),)))
    digest = open_batch(data).digest
    group.reaches = lambda sender, receiver, message: False
    group.say(0, PrePrepare(0, 2, digest, 0), 1, attachments=(data,))
    group.say(2, Prepare(0, 2, digest, 2), 1)
    assert core.tentative is not None
    assert total_of(group.services[1]) == 100 + sum(totals(group)[3:])


def test_tent_3_it_is_undone_when_another_digest_is_decided() -> None:
    """5.1: "if a view change occurs ... the replica reverts its state to the last stable checkpoint in the new-view
    message or to its last checkpointed state, whichever has the larger sequence number". Here that is done when it is
    certain that it has to be, and what has committed since that checkpoint is executed again at once."""
    group = Group(4, SMALL)
    session = group.open_session()
    deceive(group, session)
    before = len(group.replies)

    data = encode_batch(Batch(group.wall + 1, (group.request((b"add 7",), session, 2),)))
    digest = open_batch(data).digest
    group.say(2, Decided((Chosen(2, digest),), 2), 1)
    group.say(3, Decided((Chosen(2, digest),), 3), 1)
    group.say(3, Batches(3), 1, attachments=(data,))

    core = group.core(1)
    assert core.last_executed == 2
    assert core.tentative is None
    assert total_of(group.services[1]) == 7
    assert any(trace.event == "tentative-undone" for trace in group.traces[1])
    later = [(reply.timestamp, reply.results, reply.is_tentative) for _, reply in group.replies[before:]]
    assert later == [(2, (b"7",), False)]


def test_tent_3_nothing_is_left_of_what_is_undone() -> None:
    """Not in the service, nor in the tables: the next checkpoint is that of a replica that never was deceived."""
    group = Group(4, SMALL)
    session = group.open_session()
    deceive(group, session)
    row = group.core(1).tables.session(group.clients[0].client_id, session)
    assert row is not None
    assert row.timestamp == 1

    frames = [group.request((b"add %d" % number,), session, number) for number in (2, 3, 4)]
    batches = [encode_batch(Batch(group.wall + number, (frame,))) for number, frame in enumerate(frames)]
    chosen = tuple(Chosen(2 + place, open_batch(data).digest) for place, data in enumerate(batches))
    for receiver in (1, 3):
        for sender in (0, 2):
            group.say(sender, Decided(chosen, sender), receiver)
        for data in batches:
            group.say(2, Batches(2), receiver, attachments=(data,))

    assert group.core(1).last_executed == group.core(3).last_executed == 4
    assert group.core(1).checkpoints.held[4].digest == group.core(3).checkpoints.held[4].digest
    assert total_of(group.services[1]) == 2 + 3 + 4


def test_tent_3_it_is_undone_before_a_state_is_fetched() -> None:
    """What is fetched is compared with a checkpoint of what has committed here."""
    group = Group(4, SMALL)
    session = group.open_session()
    deceive(group, session)
    group.stopped = {0}  # the liar
    group.reaches = lambda sender, receiver, message: 1 not in (sender, receiver)
    group.advance(3000)
    group.restart(0)
    for timestamp in range(2, 24):
        group.submit(group.request((b"add 1",), session, timestamp), 0, 2, 3)
    assert group.core(3).log.low_watermark > 2 + SMALL.window
    group.reaches = lambda sender, receiver, message: True
    group.advance(8000)

    assert any(trace.event == "state-fetched" for trace in group.traces[1])
    assert total_of(group.services[1]) == 22
    assert group.core(1).last_executed == group.core(3).last_executed


def commits_of(group: Group, number: int) -> list[int]:
    """Whose COMMITs for a sequence number have left."""
    return [
        sender for sender, message in group.sent if isinstance(message, Commit) and message.sequence_number == number
    ]


def test_com_3_a_commit_travels_with_the_next_vote() -> None:
    """Facts 3.6: "COMMITs ride on later PRE-PREPARE/PREPAREs; only sensible together with tentative execution"."""
    group = Group(4, SMALL, holds_commits=True)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)
    assert totals(group) == [1] * 4
    assert commits_of(group, 2) == []

    group.submit(group.request((b"add 1",), session, 2), 0)

    assert sorted(commits_of(group, 2)) == [0, 1, 2, 3]
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    kinds = [type(message).__name__ for sender, message in group.sent if sender == 1]
    assert kinds[-2:] == ["Prepare", "Commit"]


def test_com_3_it_does_not_wait_for_long() -> None:
    group = Group(4, SMALL, holds_commits=True)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)

    group.advance(20)

    assert sorted(commits_of(group, 2)) == [0, 1, 2, 3]
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4


def test_com_3_it_does_not_wait_while_others_are_under_way() -> None:
    """They would wait with it: one batch is executed tentatively at a time."""
    group = Group(4, SMALL, holds_commits=True)
    session = group.open_session()
    other = group.open_session(client=1, timestamp=2)
    for client, of_client in enumerate((session, other)):
        group.replicas[0].receive(
            group.authenticators[0].open(group.request((b"add 1",), of_client, 1, client)), group.now, group.wall
        )
        group.settle(0)
    group.run()

    assert totals(group) == [2] * 4
    assert sorted(commits_of(group, 3)) == [0, 1, 2, 3]


def test_com_3_only_that_of_the_batch_which_was_answered_waits() -> None:
    """A new view may prepare another batch for the number: nobody has an answer to that yet."""
    group = Group(4, SMALL, holds_commits=True)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)
    core = group.core(3)
    assert core.tentative is not None
    digest = core.tentative.batch.digest

    assert can_wait(core, Commit(0, 2, digest, 3))
    assert not can_wait(core, Commit(1, 2, bytes(32), 3))


def test_com_3_it_leaves_before_its_view_is_left() -> None:
    """What was voted is said; afterwards nobody would listen."""
    group = Group(4, Settings(checkpoint_interval=4, commit_delay_ms=1000), holds_commits=True)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)
    assert commits_of(group, 2) == []

    view_change.start(group.core(2), 1, "the test says so")
    group.settle(2)

    assert commits_of(group, 2) == [2]

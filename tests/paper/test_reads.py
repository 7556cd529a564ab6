"""Read-only requests (OSDI'99 5.1), and what makes them linearizable (facts 3.3; Berger, Reiser, Bessani, SRDS'21)."""

from __future__ import annotations

import pytest

from core.group import Group, key_pair, total_of
from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.reads import Certificates
from quorate.client.votes import Votes
from quorate.config import Settings
from quorate.core import execution
from quorate.core.checkpoints import DIVERGED
from quorate.core.context import Core
from quorate.core.effects import SendReply
from quorate.core.execution import shut_out
from quorate.core.quorum import quorums_of
from quorate.core.reads import WRITES
from quorate.messages.access import RevokeClient, encode_access
from quorate.messages.protocol import Commit, Decided, FetchState, Message, Outcome, Reply
from quorate.messages.reads import READ_BYTES_MAX, READ_OPERATIONS_MAX, Answer, Read, ReadReply

SMALL = Settings(checkpoint_interval=4)
COMMITTED = Settings(checkpoint_interval=4, tentative_execution=False)


def only_prepared(sender: int, receiver: int, message: Message) -> bool:
    """What is said, but for COMMITs and what is decided."""
    return not isinstance(message, Commit | Decided)


def tentative_group() -> tuple[Group, int]:
    """A group in which `add 5` is executed tentatively everywhere, as number 2, and no COMMIT arrives."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.reaches = only_prepared
    group.submit(group.request((b"add 5",), session, 1), 0)
    assert all(core.tentative is not None for core in map(group.core, range(4)))
    return group, session


def results_of(group: Group) -> list[tuple[int, bytes | None]]:
    """Who answered the only operation of the READs, and what."""
    return [(said.replica, None if said.answers[0] is None else said.answers[0].result) for said in group.answers]


def believed(group: Group) -> bytes | None:
    """What a client makes of all answers."""
    certificates = Certificates(quorums_of(len(group.replicas)))
    for said in group.answers:
        certificates.take(said)
    return certificates.certified(0)


# Who is answered


def test_ro_1_what_reads_is_answered_by_all_and_not_ordered() -> None:
    """5.1: "A client multicasts a read-only request to all replicas. Replicas execute the request immediately in their
    tentative state after checking that the request is properly authenticated, that the client has access, and that the
    request is in fact read-only"."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 1), 0)

    group.read()

    assert results_of(group) == [(number, b"5") for number in range(4)]
    assert believed(group) == b"5"
    assert {group.core(number).last_executed for number in range(4)} == {2}
    assert {(said.client, said.nonce) for said in group.answers} == {(group.clients[0].client_id, 1)}


def test_ro_1_what_writes_is_not_executed_and_has_to_be_ordered() -> None:
    """C6. Each operation is judged by itself."""
    group = Group(4, SMALL)

    group.read(0, operations=(b"add 5", b"get"))

    assert group.answers[0].answers == (None, Answer(b"0", 0))
    assert total_of(group.services[0]) == 0
    assert group.core(0).incidents[f"READ: {WRITES}"] == 1


def test_ro_1_whoever_may_not_use_the_cluster_is_not_answered() -> None:
    group = Group(4, SMALL)
    stranger = ClientAuthenticator(key_pair(99), group.configuration)
    group.submit(stranger.seal_read(Read(stranger.client_id, 1, (b"get",))))
    revoked = group.clients[1].client_id
    group.submit(group.request((encode_access(RevokeClient(revoked)),), 0, 1))
    group.read(client=1)

    assert not group.answers


def test_ro_1_a_client_that_is_shut_out_while_it_waits_is_not_answered() -> None:
    group, _ = tentative_group()
    group.read(client=1)
    group.reaches = lambda sender, receiver, message: True
    group.submit(group.request((encode_access(RevokeClient(group.clients[1].client_id)),), 0, 2))
    group.advance(500)

    assert all(len(group.core(number).reads) == 0 for number in range(4))
    assert not group.answers


def test_ro_1_nor_is_it_told_that_what_it_asked_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the turn that executes its revocation the replica finds its state damaged, and declines all that waits."""
    group, _ = tentative_group()
    group.read(2, client=1)
    group.read(2, client=0)

    def damaged(core: Core, client: bytes) -> None:
        shut_out(core, client)
        core.diverged_at = 0 if core.replica_id == 2 else None

    monkeypatch.setattr(execution, "shut_out", damaged)
    group.reaches = lambda sender, receiver, message: True
    group.submit(group.request((encode_access(RevokeClient(group.clients[1].client_id)),), 0, 2))
    group.advance(500)

    assert group.core(2).diverged_at == 0
    assert len(group.core(2).reads) == 0
    assert [said.client for said in group.answers] == [group.clients[0].client_id], "who may ask is told"


def test_ro_1_a_read_that_is_too_large_is_not_answered() -> None:
    group = Group(4, Settings(request_bytes_max=1024))
    group.read(operations=(b"get " + bytes(1024),))

    assert not group.answers
    assert group.core(0).incidents["READ: larger than request_bytes_max"] == 1


def test_ro_1_where_the_path_is_off_all_is_declined() -> None:
    """Then f + 1 replies are believed, and nothing that is not ordered."""
    group = Group(4, Settings(read_only_path=False))
    group.read()

    assert results_of(group) == [(number, None) for number in range(4)]


def test_ro_1_a_service_that_raises_is_no_answer() -> None:
    group = Group(4, SMALL)

    def fail(operation: bytes, context: object) -> bytes | None:
        raise ValueError("a defect")

    group.services[0].query = fail  # type: ignore[method-assign,assignment]
    group.read(0)

    assert results_of(group) == [(0, None)]
    assert group.core(0).incidents["SERVICE: raised ValueError"] == 1


# From which state


def test_ro_2_it_waits_until_what_the_state_reflects_is_committed() -> None:
    """5.1: "They send the reply only after all requests reflected in the tentative state have committed"."""
    group, _ = tentative_group()

    group.read()
    assert not group.answers

    group.reaches = lambda sender, receiver, message: True
    group.advance(500)
    assert sorted(results_of(group)) == [(number, b"5") for number in range(4)]
    assert {said.sequence_number for said in group.answers} == {2}


def test_ro_2_it_does_not_wait_for_ever() -> None:
    """Its client has had it ordered by then, and others need the place."""
    group, _ = tentative_group()
    group.read(2)

    group.advance(1500)

    assert results_of(group) == [(2, None)]
    assert len(group.core(2).reads) == 0


def test_ro_2_those_who_wait_are_bounded() -> None:
    """By their number and their bytes, for each client and for all (C7); a READ that comes twice waits once."""
    group = Group(4, Settings(checkpoint_interval=4, sessions_per_client=1, waiting_requests_max=16))
    session = group.open_session()
    group.reaches = only_prepared
    group.submit(group.request((b"add 5",), session, 1), 0)

    for nonce in (1, 2, 2, 3):
        group.read(0, nonce=nonce)

    assert len(group.core(0).reads) == 2
    assert [(said.nonce, said.answers) for said in group.answers] == [(3, (None,))]
    group.read(0, nonce=1, client=1)
    assert len(group.core(0).reads) == 3, "another client's places are its own"


def test_ro_2_nothing_is_read_while_a_state_is_fetched_or_damaged() -> None:
    group = Group(4, SMALL)
    group.core(1).diverged_at = 0
    group.read(1)
    assert results_of(group) == [(1, None)]

    group = Group(4, SMALL)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: 3 not in (sender, receiver)
    for timestamp in range(1, 30):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.reaches = lambda sender, receiver, message: not isinstance(message, FetchState)
    group.advance(3000)
    assert group.core(3).transfer is not None
    group.read(3)
    assert results_of(group) == [(3, None)]
    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)
    group.read(3, nonce=2)
    assert results_of(group)[1:] == [(3, b"29")]
    assert DIVERGED not in str(group.core(3).incidents)


def test_ro_2_after_a_restart_no_state_is_read_before_what_was_answered() -> None:
    """Decisions: "no step back under reads". What was answered tentatively is among it."""
    group, _ = tentative_group()
    group.restart(2)
    core = group.core(2)
    assert (core.last_executed, core.reads.promised) == (0, 2)

    group.read(2)
    assert core.last_executed == 1
    assert not group.answers

    group.reaches = lambda sender, receiver, message: True
    group.advance(500)
    assert results_of(group) == [(2, b"5")]


def test_ro_3_an_answer_says_since_when_and_until_when() -> None:
    """Any batch with requests may have changed it; one without, which only lets the time advance, did not."""
    group = Group(4, COMMITTED)
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 1), 0)
    group.submit(group.request((b"add 2",), session, 2), 0)
    group.read(0)
    assert group.answers[-1] == ReadReply(group.clients[0].client_id, 1, 3, (Answer(b"7", 3),), 0)

    group.core(0).reads.changed_at = 2  # what a restart from a checkpoint would not know, others may
    group.read(0, nonce=2)
    assert group.answers[-1].answers == (Answer(b"7", 2),)


def test_ro_3_of_a_state_that_was_fetched_or_kept_only_its_number_is_known() -> None:
    group = Group(4, COMMITTED)
    session = group.open_session()
    for timestamp in range(1, 5):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.restart(1)
    assert group.core(1).reads.changed_at == 4
    group.settle(1)
    group.run()
    group.read(1)
    assert group.answers == [ReadReply(group.clients[0].client_id, 1, 5, (Answer(b"4", 5),), 1)]


def test_ro_6_a_read_lets_the_commit_that_it_waits_for_leave() -> None:
    """It would wait for the next request, or for the delay."""
    group = Group(4, Settings(checkpoint_interval=4, commit_delay_ms=1000), holds_commits=True)
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 1), 0)
    assert not [message for _, message in group.sent if isinstance(message, Commit) and message.sequence_number == 2]

    group.read()

    assert sorted(results_of(group)) == [(number, b"5") for number in range(4)]


# What it may cost


def wait_at(group: Group, count: int, operations: tuple[bytes, ...] = (b"get",), client: int = 0) -> None:
    """So many READs of a client come to replica 0, which does not settle."""
    authenticator = group.clients[client]
    for nonce in range(1, count + 1):
        frame = authenticator.seal_read(Read(authenticator.client_id, nonce, operations))
        group.replicas[0].receive(group.authenticators[0].open(frame), group.now, group.wall)


def turn(group: Group) -> list[ReadReply]:
    """What replica 0 answers in one turn."""
    group.answers.clear()
    group.settle(0)
    return list(group.answers)


def answer_with(group: Group, size: int) -> list[bytes]:
    """Every result at replica 0 has so many bytes; the operations that it was asked for."""
    asked: list[bytes] = []

    def query(operation: bytes, context: object) -> bytes | None:
        asked.append(operation)
        return bytes(size)

    group.services[0].query = query  # type: ignore[method-assign,assignment]
    return asked


@pytest.mark.parametrize(
    ("operations", "size", "in_a_turn"),
    [(1, READ_BYTES_MAX // 4, 4), (1, READ_BYTES_MAX, 1), (100, 1, 6), (READ_OPERATIONS_MAX, 1, 1)],
)
def test_ro_8_what_one_turn_answers_is_bounded(operations: int, size: int, in_a_turn: int) -> None:
    """In operations and in bytes: it ends with the READ that reaches a limit. What is left has the next turn, at
    once."""
    group = Group(4, SMALL)
    answer_with(group, size)
    wait_at(group, 20, (b"get",) * operations)

    turns = []
    while len(group.core(0).reads):
        turns.append(turn(group))
        assert (group.replicas[0].next_deadline() == group.now) == (len(group.core(0).reads) > 0)

    assert {len(answered) for answered in turns[:-1]} == {in_a_turn}
    answers = [said.answers for answered in turns for said in answered]
    assert answers == [(Answer(bytes(size), 0),) * operations] * 20


def test_ro_8_each_client_has_its_turn() -> None:
    """Of one that asks for much the others see one READ before each of theirs."""
    group = Group(4, SMALL)
    wait_at(group, 20, (b"get",) * READ_OPERATIONS_MAX)
    wait_at(group, 2, client=1)
    first, second = group.clients[0].client_id, group.clients[1].client_id

    turns = [[(said.client, said.nonce) for said in turn(group)] for _ in range(4)]

    assert turns == [[(first, 1)], [(second, 1), (first, 2)], [(second, 2), (first, 3)], [(first, 4)]]


def test_ro_8_what_was_given_up_while_it_had_no_turn_is_not_answered() -> None:
    group = Group(4, SMALL)
    asked = answer_with(group, 1)
    wait_at(group, 3, (b"get",) * READ_OPERATIONS_MAX)
    assert len(turn(group)) == 1

    group.now += 3_600_000_000

    assert {said.answers for said in turn(group)} == {(None,) * READ_OPERATIONS_MAX}
    assert len(asked) == READ_OPERATIONS_MAX
    assert len(group.core(0).reads) == 0


def test_ro_8_who_waits_for_a_commit_keeps_nobody_awake() -> None:
    group, _ = tentative_group()
    wait_at(group, 1)
    assert not turn(group)
    deadline = group.replicas[0].next_deadline()
    assert deadline is not None
    assert deadline > group.now


@pytest.mark.parametrize("limit", [READ_BYTES_MAX, 1024])
def test_ro_8_what_a_read_has_no_room_for_is_ordered_and_what_follows_not_looked_at(limit: int) -> None:
    """Ordered, one replica alone sends it whole (DIG-1)."""
    group = Group(4, Settings(reply_bytes_max=limit))
    asked = answer_with(group, 2 * limit // 5)
    group.read(0, operations=(b"get",) * 5)

    given = Answer(bytes(2 * limit // 5), 0)
    assert group.answers[0].answers == (given, given, None, None, None)
    assert len(asked) == 3


# The gap (facts 3.3): a write that f + 1 vouch for and a read that a quorum vouches for may have only a liar in common


def written_at_one(group: Group) -> tuple[int, Reply]:
    """Replica 0 alone has committed and executed `add 5`, and replica 3, a liar, says that it has; 1 and 2 are late.
    Returns the session and what replica 0 said."""
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided) or receiver == 0
    group.submit(group.request((b"add 5",), session, 1), 0)
    assert [group.core(number).last_executed for number in range(3)] == [2, 1, 1]
    (said,) = [reply for replica, reply in group.replies if reply.session and replica == 0]
    return session, said


def votes_of(has_read_only_path: bool, *replies: Reply) -> Votes:
    votes = Votes(quorums_of(4), has_read_only_path)
    for reply in replies:
        votes.take(reply)
    return votes


def lie(said: Reply | ReadReply, replica: int) -> Reply | ReadReply:
    """The liar says what another replica says."""
    fields = {name: getattr(said, name) for name in said.__struct_fields__}
    return type(said)(**{**fields, "replica": replica})


def test_ro_5_with_f_plus_1_replies_to_a_write_a_later_read_may_not_see_it() -> None:
    """The linearizability gap, played: the write is answered, and then a quorum reads the state before it."""
    group = Group(4, COMMITTED)
    _, said = written_at_one(group)
    forged = lie(said, 3)
    assert isinstance(forged, Reply)

    ballot = votes_of(False, said, forged).certified()
    assert ballot is not None
    assert (ballot.outcome, ballot.results) == (Outcome.EXECUTED, (b"5",))

    group.read(1, 2)
    stale = lie(group.answers[0], 3)
    assert isinstance(stale, ReadReply)
    group.answers.append(stale)
    assert believed(group) == b"0", "5 was answered before this read began"


def test_ro_5_with_a_quorum_of_replies_to_every_request_a_read_sees_it() -> None:
    """The same lies; the write is not answered until one of those who would have read the old state has executed it."""
    group = Group(4, COMMITTED)
    _, said = written_at_one(group)
    forged = lie(said, 3)
    assert isinstance(forged, Reply)
    assert votes_of(True, said, forged).certified() is None

    group.reaches = lambda sender, receiver, message: receiver != 2
    group.advance(500)
    replies = [reply for replica, reply in group.replies if reply.session and replica in (0, 1)]
    assert votes_of(True, *replies, forged).certified() is not None

    group.read(1, 2)
    stale = lie(next(answer for answer in group.answers if answer.replica == 2), 3)
    assert isinstance(stale, ReadReply)
    group.answers.append(stale)
    assert believed(group) is None
    group.read(0, nonce=1)
    assert believed(group) is None, "1 and 0 are no quorum, nor are 2 and the liar: it is ordered"


def test_ro_5_those_who_executed_it_tentatively_do_not_forget_it() -> None:
    """A quorum of tentative replies is enough for the write; whoever gave one reads nothing before it has committed."""
    group, _ = tentative_group()
    replies = [reply for _, reply in group.replies if reply.session]
    assert votes_of(True, *replies[:3]).certified() is not None

    group.read(1, 2)

    assert not group.answers


@pytest.mark.parametrize("is_on", [False, True])
def test_ro_5_the_liveness_attack_a_decision_that_too_few_executed_is_told_to_the_others(is_on: bool) -> None:
    """SRDS'21: f + 1 correct replicas have executed a request, the liars do not answer, and f correct ones know nothing
    of it: too few to leave the view. Whoever has executed tells them, and they reply when the client asks again."""
    group = Group(4, Settings(checkpoint_interval=4, read_only_path=is_on))
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 2
    frame = group.request((b"add 5",), session, 1, is_signed=True)
    group.submit(frame, 0)
    group.stopped = {3}
    group.replies.clear()
    assert group.core(2).last_executed == 1
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)

    group.advance(500)
    group.submit(frame, 0, 1, 2)
    group.advance(500)

    latest = {replica: reply for replica, reply in group.replies if reply.timestamp == 1 and reply.session}
    assert votes_of(is_on, *latest.values()).certified() is not None
    assert sorted(latest) == [0, 1, 2]
    assert {group.core(number).view for number in range(3)} == {0}


def test_a_reply_to_a_read_leaves_behind_what_it_reflects() -> None:
    """DISK-1: what an answer reflects is on disk before it leaves."""
    group = Group(4, COMMITTED)
    session = group.open_session()
    group.submit(group.request((b"add 5",), session, 1), 0)
    client = group.clients[0]
    opened = group.authenticators[1].open(client.seal_read(Read(client.client_id, 1, (b"get",))))
    group.replicas[1].receive(opened, group.now, group.wall)
    effects = group.replicas[1].settle(group.now, group.wall)

    assert isinstance(effects[-1], SendReply)

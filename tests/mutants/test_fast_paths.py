"""Cases that seeds draw too rarely, played by hand as in test_counterexamples.py: of tentative execution, digest
replies, large requests, reads and slow primaries. And of rules that another one covers, that it does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count as numbers_from

import pytest

from client.test_reads import PATIENCE, make_reads
from client.test_reads import reply as answer_of
from client.test_session import EVERYONE, FIRST_INTERVAL, Bench
from client.test_votes import reply as reply_in
from core.group import Group, total_of
from core.test_reach import (
    SETTINGS,
    TIMEOUT,
    Omitting,
    core_that_has_waited,
    leaves,
    proposal,
    propose,
    view_after_one_long_trouble,
    views,
)
from core.test_slow_primary import WHILE, Fetched, Slow, core_with
from mutants.catalogue import named
from mutants.mutation import mutated
from paper.test_reads import COMMITTED, believed, lie, turn, votes_of, wait_at, written_at_one
from paper.test_separate_requests import LARGE, count, spoilt
from paper.test_tentative import SMALL, deceive, prepared_group
from quorate.client.reads import Answered
from quorate.client.session import Completed
from quorate.client.votes import Ballot, Votes
from quorate.config import Settings
from quorate.core import pace, view_change
from quorate.core.log import Phase, open_batch
from quorate.core.new_view import Choice, compute_new_view
from quorate.core.paced import GAPS
from quorate.core.quorum import quorums_of
from quorate.messages.codec import encode_batch
from quorate.messages.digests import reply_digest
from quorate.messages.protocol import (
    Batch,
    Batches,
    CheckpointClaim,
    Chosen,
    Commit,
    Decided,
    FetchBatches,
    Outcome,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Reply,
    Status,
    ViewChange,
)
from quorate.messages.reads import READ_OPERATIONS_MAX, Answer, ReadReply

X, Y, START = b"x" * 32, b"y" * 32, CheckpointClaim(0, b"0" * 32)


# Tentative replies


def told_by_two() -> tuple[Ballot | None, set[bytes | None]]:
    """Replica 0, the primary, lies. Replica 1 alone prepares `add 5`, and says so; replica 0 says the same. Then
    nobody hears replica 1 for a while, and a later view orders what another client asked for first. What a client
    makes of the two replies, and what all say in the end."""
    group = Group(4, SMALL)
    session, other = group.open_session(), group.open_session(1, 2)
    group.reaches = lambda sender, receiver, message: False
    group.submit(group.request((b"add 100",), other, 1, client=1), 2, 3)
    group.reaches = lambda sender, receiver, message: (
        isinstance(message, PrePrepare) or (isinstance(message, Prepare) and (sender, receiver) == (2, 1))
    )
    group.submit(group.request((b"add 5",), session, 1), 0)
    (said,) = [reply for replica, reply in group.replies if (replica, reply.session) == (1, session)]
    forged = lie(said, 0)
    assert isinstance(forged, Reply)
    believed = votes_of(False, said, forged).certified()
    group.reaches = lambda sender, receiver, message: (
        1 not in (sender, receiver) and not (isinstance(message, Prepare | Commit) and message.view == 0)
    )
    group.advance(10_000)
    group.reaches = lambda sender, receiver, message: True
    group.advance(10_000)
    group.replies.clear()
    group.submit(group.request((b"add 5",), session, 1, is_signed=True))
    return believed, {result for _, reply in group.replies for result in reply.results}


@pytest.mark.parametrize("mutant", ["f + 1 tentative replies", "a tentative reply counts"])
def test_f_plus_1_tentative_replies_would_be_believed_of_what_a_new_view_forgets(mutant: str) -> None:
    assert told_by_two() == (None, {b"105"})
    with mutated(named(mutant)):
        assert told_by_two() == (Ballot(Outcome.EXECUTED, (b"5",)), {b"105"})


def test_a_tentative_reply_that_does_not_say_so_would_be_believed_too_early() -> None:
    assert told_by_two()[0] is None
    with mutated(named("a tentative reply does not say so")):
        assert told_by_two() == (Ballot(Outcome.EXECUTED, (b"5",)), {b"105"})


def told(view: int, replica: int, prepared: tuple[bytes, int] | None, pre_prepared: dict[bytes, int]) -> ViewChange:
    """A VIEW-CHANGE that knows of number 1 alone."""
    claims = () if prepared is None else (PreparedClaim(1, *prepared),)
    named_too = tuple(PrePreparedClaim(1, digest, last) for digest, last in sorted(pre_prepared.items()))
    return ViewChange(view, 0, (START,), claims, named_too, replica, 0)


def chosen_of(*heard: ViewChange) -> bytes:
    """What a new view has at number 1 after these."""
    choice = compute_new_view(list(heard), quorums_of(4), 2)
    assert isinstance(choice, Choice)
    return choice.chosen[0].digest


def test_tentative_replies_of_two_views_would_be_believed_of_what_a_third_forgets() -> None:
    """Replica 1 lies. In view 0 replica 0 alone prepares X, and says so. View 1 hears 1, 2 and 3, who know of nothing
    prepared; replica 1 leads it and proposes Y, which replica 3 alone prepares. View 2 hears 0, 1 and 2 and chooses X;
    replica 2 alone prepares it, and says so. View 3 hears 0, 1 and 3: it chooses Y, of a later view than what replica
    0 has prepared. X never commits."""
    heard_in_2 = told(2, 0, (X, 0), {X: 0}), told(2, 1, None, {X: 0}), told(2, 2, None, {X: 0, Y: 1})
    assert chosen_of(*heard_in_2) == X
    heard_in_3 = told(3, 0, (X, 0), {X: 2}), told(3, 1, None, {Y: 1}), told(3, 3, (Y, 1), {X: 0, Y: 1})
    assert chosen_of(*heard_in_3) == Y

    votes = Votes(quorums_of(4))
    for replica, view in ((0, 0), (1, 2), (2, 2)):
        votes.take(reply_in(replica, view, True))
    assert votes.certified() is None
    with mutated(named("tentative replies of different views")):
        assert votes.certified() is not None


def test_a_repeated_reply_would_say_that_it_prepared_in_a_view_in_which_it_did_not() -> None:
    """With the one of replica 2 in the case above, that of replica 0 would seem to be of view 2 as well."""

    def views_named() -> set[tuple[int, bool]]:
        group, session = prepared_group()
        group.advance(2000)
        assert group.core(2).view > 0
        group.replies.clear()
        group.receive(2, group.request((b"add 5",), session, 1, is_signed=True))
        return {(reply.view, reply.is_tentative) for _, reply in group.replies}

    assert views_named() == {(0, True)}
    with mutated(named("a reply that is repeated")):
        assert {view for view, _ in views_named()} != {0}


# What is undone


def test_a_state_may_be_compared_with_what_was_executed_tentatively() -> None:
    """Replica 1 fetches a state while it has executed what nobody else has: it ends as the others, either way."""

    def ends() -> tuple[int, int, bool]:
        group = Group(4, SMALL)
        session = group.open_session()
        deceive(group, session)
        group.stopped = {0}
        group.reaches = lambda sender, receiver, message: 1 not in (sender, receiver)
        group.advance(3000)
        group.restart(0)
        for timestamp in range(2, 24):
            group.submit(group.request((b"add 1",), session, timestamp), 0, 2, 3)
        group.reaches = lambda sender, receiver, message: True
        group.advance(8000)
        core = group.core(1)
        assert any(trace.event == "state-fetched" for trace in group.traces[1])
        return total_of(group.services[1]), core.last_executed, core.tentative is None

    assert ends() == (22, 23, True)
    with mutated(named("a state is compared")):
        assert ends() == (22, 23, True)


def deceived_at(group: Group, number: int, frame: bytes) -> None:
    """The primary and another liar let replica 1 prepare what nobody else has, and execute it tentatively; then all
    learn that `add 7` of the other client is decided there."""
    other = group.request((b"add 7",), 2 * 1024, 1, client=1)
    lied, agreed = (encode_batch(Batch(group.wall + at, (one,))) for at, one in enumerate((frame, other)))
    group.reaches = lambda sender, receiver, message: False
    group.say(0, PrePrepare(0, number, open_batch(lied).digest, 0), 1, attachments=(lied,))
    group.say(2, Prepare(0, number, open_batch(lied).digest, 2), 1)
    assert group.core(1).tentative is not None
    chosen = (Chosen(number, open_batch(agreed).digest),)
    for receiver in (1, 3):
        for sender in (0, 2):
            group.say(sender, Decided(chosen, sender), receiver)
        group.say(2, Batches(2), receiver, attachments=(agreed,))
    assert group.core(1).last_executed == group.core(3).last_executed == number


def test_what_a_checkpoint_follows_may_be_executed_tentatively() -> None:
    """The checkpoint is taken when its batch is executed for good, and is that of a replica that never was deceived."""
    with mutated(named("what a checkpoint follows")):
        group = Group(4, SMALL)
        session, _ = group.open_session(), group.open_session(1, 2)
        group.submit(group.request((b"add 1",), session, 1))
        deceived_at(group, 4, group.request((b"add 100",), session, 2))
    assert total_of(group.services[1]) == total_of(group.services[3])
    assert group.core(1).checkpoints.held[4].digest == group.core(3).checkpoints.held[4].digest


def test_a_session_may_be_opened_tentatively() -> None:
    """Nothing is left of one that is undone: the tables are part of what goes back."""
    with mutated(named("a session is opened tentatively")):
        group = Group(4, SMALL)
        group.open_session(), group.open_session(1, 2)
        deceived_at(group, 3, group.request((), 0, 9))
    tables = [group.core(number).tables for number in (1, 3)]
    assert tables[0].digest() == tables[1].digest()


def test_who_stands_by_it_need_not_say_so() -> None:
    """What is executed tentatively stands in the next view. Its client hears of it at once, or when it asks again."""

    def final_replies(asks_again: bool) -> int:
        group, session = prepared_group()
        group.advance(1500)
        group.reaches = lambda sender, receiver, message: True
        group.advance(3000)
        if asks_again:
            group.submit(group.request((b"add 5",), session, 1, is_signed=True))
        return len({replica for replica, reply in group.replies if reply.session and not reply.is_tentative})

    assert final_replies(asks_again=False) == 4
    with mutated(named("who stands by it")):
        assert final_replies(asks_again=False) < 4
        assert final_replies(asks_again=True) == 4


# Digest replies


def asks_for_results() -> tuple[bool, bool]:
    """Whether a client whose results did not come asks for them soon, and whether it asks in the end."""
    bench, large = Bench(), b"r" * 1000
    bench.open(b"a")
    before = len(bench.sent)
    for replica in bench.others:
        bench.digest(replica, large)
    bench.now += FIRST_INTERVAL - 1
    bench.settle()
    is_soon = len(bench.sent) > before
    bench.now += FIRST_INTERVAL
    bench.settle()
    assert bench.sent[-1].receivers == EVERYONE
    return is_soon, bool(bench.reply(bench.others[0], Outcome.EXECUTED, large))


def test_results_that_are_not_asked_for_come_with_the_next_retransmission() -> None:
    """Nothing is lost but time: an interval of retransmission where a round trip would do."""
    assert asks_for_results() == (True, True)
    with mutated(named("nobody asks for results")):
        assert asks_for_results() == (False, True)


def views_after_a_large_request(*receivers: int) -> set[int]:
    """The views of a group after a client sent a large request to these replicas, once."""
    group = Group()
    session = group.open_session()
    group.submit(group.request((b"add 1",) * 300, session, 1), *receivers)
    group.advance(group.configuration.settings.view_change_timeout_ms + 100)
    return {group.core(number).view for number in range(4)}


def test_a_large_request_sent_to_the_primary_alone_would_cost_a_view() -> None:
    """C8. And in the next view again: its primary would not have the request."""
    assert views_after_a_large_request(0) == {0}
    with mutated(named("what a proposal lacks is never fetched")):
        assert min(views_after_a_large_request(0)) >= 1


def test_a_large_request_sent_to_backups_alone_would_cost_a_view() -> None:
    """C8, C2: the primary is suspected of what it never heard of."""
    assert views_after_a_large_request(1, 2, 3) == {0}
    with mutated(named("what is kept back is never passed on")):
        assert min(views_after_a_large_request(1, 2, 3)) >= 1


def test_results_that_a_digest_takes_back_are_asked_for_again() -> None:
    """Who is asked again while its digest is on its way says both, in any order."""

    def completes_at_once() -> tuple[bool, bool]:
        bench, large = Bench(), b"r" * 1000
        bench.open(b"a")
        bench.reply(bench.designated, Outcome.EXECUTED, large)
        bench.digest(bench.designated, large)
        at_once = bench.digest(bench.others[0], large) == [Completed((large,))]
        return at_once, at_once or bench.reply(bench.others[0], Outcome.EXECUTED, large) == [Completed((large,))]

    assert completes_at_once() == (True, True)
    with mutated(named("a digest takes back")):
        assert completes_at_once() == (False, True)


def test_a_liar_would_say_what_became_of_a_request_whose_results_are_right() -> None:
    """The liar's are the only whole results: they are right, and it says that its client may only read, so that some
    operations were not executed."""

    def outcome() -> int | None:
        large = (b"r" * 1000,)
        replies = [Reply(0, b"c" * 32, 1, 1, Outcome.READ_ONLY, large, 3)]
        said = reply_digest(Outcome.EXECUTED, large)
        replies += [Reply(0, b"c" * 32, 1, 1, Outcome.EXECUTED, said, replica) for replica in (1, 2)]
        ballot = votes_of(False, *replies).certified()
        return None if ballot is None else ballot.outcome

    assert outcome() is None
    with mutated(named("the digest of a reply does not cover")):
        assert outcome() == Outcome.READ_ONLY


# Large requests


def test_a_liar_that_spoils_a_body_would_be_the_only_one_who_is_asked() -> None:
    """Replica 3 lacks a large request; replica 2 sends it with its authentication spoilt, then replica 1 as it is."""

    def votes() -> bool:
        group = Group()
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: receiver != 3 or not isinstance(message, Prepare | Batches)
        group.submit(group.request(LARGE, session, 1), 0, 1, 2)
        group.advance(100)
        core = group.core(3)
        parked = core.log.slots[2].parked
        assert parked is not None
        body = group.core(0).log.batch(parked.digest)
        assert body is not None
        for sender, data in ((2, spoilt(body.data)), (1, body.data)):
            group.say(sender, Batches(sender), 3, attachments=(data,))
        return core.log.slots[2].phase is Phase.PRE_PREPARED

    assert votes()
    with mutated(named("one body is believed")):
        assert not votes()


def test_what_no_client_asked_for_would_be_voted_for() -> None:
    """The primary proposes the digest of a request that it made up, and has it fetched."""

    def votes() -> bool:
        group = Group()
        session = group.open_session()
        forged = open_batch(spoilt(encode_batch(Batch(group.wall, (group.request(LARGE, session, 1),)))))
        beside = encode_batch(Batch(forged.time, forged.digests))
        group.reaches = lambda sender, receiver, message: False
        group.say(0, PrePrepare(0, 2, forged.digest, 0), 3, attachments=(beside,))
        group.advance(100)
        core = group.core(3)
        assert forged.digest in core.missing
        group.say(0, Batches(0), 3, attachments=(forged.data,))
        return core.log.slots[2].phase is Phase.PRE_PREPARED

    assert not votes()
    with mutated(named("what is fetched need not")):
        assert votes()


def test_who_is_late_would_have_to_fetch_what_its_client_sent_it() -> None:
    """The client has its answer from the others, and its next request comes before the first one's proposal."""

    def votes(milliseconds: int) -> bool:
        group = Group()
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: receiver != 3
        group.submit(group.request(LARGE, session, 1))
        group.submit(group.request(LARGE, session, 2), 3)
        group.reaches = lambda sender, receiver, message: not isinstance(message, Status | Prepare | Commit)
        group.receive(3, group.core(0).log.slots[2].frame)
        group.advance(milliseconds)
        return group.core(3).log.slots[2].phase >= Phase.PRE_PREPARED

    assert votes(0)
    with mutated(named("of a session only")):
        assert (votes(0), votes(200)) == (False, True)


def test_who_sends_to_few_would_delay_every_batch() -> None:
    """Of its second large request the primary tells more than the digest, so nobody has to fetch it."""

    def fetched() -> list[int]:
        group, counts = Group(), []
        session = group.open_session()
        for timestamp in (1, 2):
            group.submit(group.request(LARGE, session, timestamp), 0)
            group.advance(200)
            counts.append(count(group, FetchBatches))
        assert [total_of(service) for service in group.services] == [600] * 4
        return counts

    first, second = fetched()
    assert 0 < first == second
    with mutated(named("a client that reaches few")):
        first, second = fetched()
        assert 0 < first < second


# Reads


def test_a_read_would_wait_as_long_as_a_commit_does() -> None:
    def answered_after() -> list[int]:
        group = Group(4, Settings(checkpoint_interval=4, commit_delay_ms=100), holds_commits=True)
        session = group.open_session()
        group.submit(group.request((b"add 5",), session, 1), 0)
        group.read()
        counts = [len(group.answers)]
        group.advance(110)
        return [*counts, len(group.answers)]

    assert answered_after() == [4, 4]
    with mutated(named("a COMMIT waits for company")):
        assert answered_after() == [0, 4]


def liar_agrees(group: Group, *others: int) -> bytes | None:
    """What a client reads that hears these replicas, and replica 0, which says what the last of them says and that it
    has always been so."""
    group.answers.clear()
    group.read(*others)
    for said in group.answers[-1:]:
        answers = tuple(one and Answer(one.result, 0) for one in said.answers)
        group.answers.append(ReadReply(said.client, said.nonce, 2**62, answers, 0))
    return believed(group)


@pytest.mark.parametrize("mutant", ["an answer says that nothing", "equal answers of states"])
def test_a_value_that_comes_back_would_be_read_before_the_one_between(mutant: str) -> None:
    """Replica 0 lies. `add 5` is answered: 1 and 2 have executed it, 3 is late. `add -5` is executed by 1 alone. A
    client that hears 1 and 3 would read 0; later, when 3 has executed `add 5`, one that hears 2 and 3 reads 5."""

    def reads() -> list[bytes | None]:
        group = Group(4, COMMITTED)
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: not (receiver == 3 and isinstance(message, Commit | Decided))
        group.submit(group.request((b"add 5",), session, 1), 0)
        group.reaches = lambda sender, receiver, message: receiver < 2 or not isinstance(message, Commit | Decided)
        group.submit(group.request((b"add -5",), session, 2), 0)
        assert [group.core(number).last_executed for number in range(4)] == [3, 3, 2, 1]
        first = liar_agrees(group, 1, 3)
        group.reaches = lambda sender, receiver, message: (
            isinstance(message, Status | Commit) and not (isinstance(message, Commit) and message.sequence_number == 3)
        )
        group.advance(300)
        assert [group.core(number).last_executed for number in range(4)] == [3, 3, 2, 2]
        return [first, liar_agrees(group, 2, 3)]

    assert reads() == [None, b"5"]
    with mutated(named(mutant)):
        assert reads() == [b"0", b"5"]


def test_a_client_would_fill_the_memory_with_reads() -> None:
    def waiting() -> int:
        group = Group(4, Settings(checkpoint_interval=4, sessions_per_client=1, waiting_requests_max=16))
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
        group.submit(group.request((b"add 5",), session, 1), 0)
        for nonce in range(1, 100):
            group.read(0, nonce=nonce)
        return len(group.core(0).reads)

    assert waiting() <= 16
    with mutated(named("any number of reads")):
        assert waiting() == 99


def test_a_client_would_hold_up_what_is_ordered_by_its_reads() -> None:
    """It sends them to the primary alone. What comes meanwhile, or is proposed in the same turn, waits for them."""

    def operations_in_a_turn() -> int:
        group = Group(4)
        wait_at(group, 100, (b"get",) * 100)
        return sum(len(said.answers) for said in turn(group))

    assert operations_in_a_turn() < 2 * READ_OPERATIONS_MAX
    with mutated(named("all reads that wait")):
        assert operations_in_a_turn() == 10_000


def test_a_client_would_hold_up_the_reads_of_others() -> None:
    def turns_until_answered() -> int:
        group = Group(4)
        wait_at(group, 100, (b"get",) * READ_OPERATIONS_MAX)
        wait_at(group, 1, client=1)
        other = group.clients[1].client_id
        return next(number for number in numbers_from(1) if other in [said.client for said in turn(group)])

    assert turns_until_answered() == 2
    with mutated(named("who asks for much")):
        assert turns_until_answered() == 101


def test_who_restarts_would_read_what_lies_before_its_own_answers() -> None:
    """Replica 0 lies. A quorum answers `add 5` tentatively; then the view is left, and 1 and 2 restart before they
    hear of the next one."""

    def reads() -> bytes | None:
        group, session = prepared_group()
        replies = [reply for _, reply in group.replies if reply.session == session]
        assert votes_of(True, *replies[:3]).certified() == Ballot(Outcome.EXECUTED, (b"5",))
        group.reaches = lambda sender, receiver, message: isinstance(message, ViewChange)
        group.advance(1500)
        for number in (1, 2):
            group.restart(number)
            group.settle(number)
        return liar_agrees(group, 1, 2)

    assert reads() is None
    with mutated(named("who restarts reads")):
        assert reads() == b"0"


def test_what_is_executed_tentatively_would_be_read() -> None:
    """It is no better than a tentative reply, and does not say of which view it is: in the case above, of X that two
    views prepared and a third forgets, replicas 0 and 2 would have it read, with the liar."""

    def reads() -> bytes | None:
        group, _ = prepared_group()
        return liar_agrees(group, 1, 2)

    assert reads() is None
    with mutated(named("a read is answered from what")):
        assert reads() == b"5"


def test_a_write_that_f_plus_1_vouch_for_would_not_be_read() -> None:
    """Replica 3 lies: with 0 it would answer the write, with 1 and 2 it would have the state before it read."""

    def answered_and_read() -> tuple[bool, bytes | None]:
        group = Group(4, COMMITTED)
        _, said = written_at_one(group)
        forged = lie(said, 3)
        assert isinstance(forged, Reply)
        group.read(1, 2)
        stale = lie(group.answers[-1], 3)
        assert isinstance(stale, ReadReply)
        group.answers.append(stale)
        return votes_of(True, said, forged).certified() is not None, believed(group)

    assert answered_and_read() == (False, b"0")
    with mutated(named("f + 1 replies to a write")):
        assert answered_and_read() == (True, b"0")


def test_answers_that_are_late_would_be_those_to_the_next_read() -> None:
    """Two replicas have answered the first READ, when its client gives it up and something is written; then it asks
    again. One liar is enough to have it read what was before."""

    def reads() -> list[object]:
        asking = make_reads()
        asking.begin((b"get",), 0)
        asking.settle(PATIENCE)
        nonce = asking.begin((b"get",), PATIENCE + 1)
        for replica, answers in ((0, nonce), (1, nonce - 1), (2, nonce - 1)):
            asking.receive(answer_of(replica, (b"before", 1, 2), nonce=answers), PATIENCE + 2)
        return [one for one in asking.settle(PATIENCE + 3) if isinstance(one, Answered)]

    assert reads() == []
    with mutated(named("the answer to another read")):
        assert len(reads()) == 1


def test_one_liar_that_answers_often_would_be_believed() -> None:
    def reads() -> bytes | None:
        group = Group(4, COMMITTED)
        group.read(1)
        group.answers *= 3
        return believed(group)

    assert reads() is None
    with mutated(named("a replica may answer a read")):
        assert reads() == b"0"


# Slow primaries


def views_after(gaps: int, delay: Callable[[int], int], shown: dict[int, int] | None = None) -> set[int]:
    """The views of a group whose primaries propose so many milliseconds late."""
    slow = Slow()
    for replica in slow.group.replicas:
        replica.core.pace.shown = dict(shown or {})
    for number in range(gaps):
        slow.ask(delay(number))
    return slow.views


def test_a_slow_primary_would_stay() -> None:
    assert views_after(GAPS, lambda number: 50) == {1}
    with mutated(named("nobody counts what the agreement takes")):
        assert views_after(5 * GAPS, lambda number: 50) == {0}


def test_one_slow_sample_would_cost_a_view() -> None:
    assert views_after(3 * GAPS, lambda number: 50 if number == GAPS else 1) == {0}
    with mutated(named("one slow sample")):
        assert views_after(3 * GAPS, lambda number: 50 if number == GAPS else 1) == {1}


def test_one_client_that_lies_would_cost_a_view() -> None:
    """It sends to the backups first, and to the primary later."""
    core = core_with({b"liar": 90_000, b"honest": 10, b"too": 10}, 1000).core(2)
    assert not pace.judge(core)
    with mutated(named("one client says")):
        assert pace.judge(core)


def test_some_would_leave_a_slow_primary_and_others_would_not() -> None:
    """What one has measured is just too long, what two others have is not: too few to change the view, and who has
    left it is missing."""

    def views() -> set[int]:
        group = core_with({b"client": 13_000}, 1000)
        known = group.core(2).pace
        for number, gap in ((1, 13_000), (3, 15_000)):
            core = group.core(number)
            core.pace.gaps = {b"client": deque([gap] * GAPS, maxlen=GAPS)}
            core.pace.agreements = deque(known.agreements, maxlen=GAPS)
        session = group.open_session()
        for timestamp in range(1, 4):
            for number in (3, 1, 2):
                core = group.core(number)
                core.pace.is_slow = pace.judge(core)
                group.settle(number)
            group.run()
            group.submit(group.request((b"add 1",), session, timestamp), 0)
        return {group.core(number).view for number in range(4)}

    assert views() == {1}
    with mutated(named("who sees that others have left")):
        assert views() == {0, 1}


def test_a_liar_that_was_fast_once_would_cost_every_view() -> None:
    """Everybody takes 50 ms here but a liar, which did nothing else when it was the primary."""
    shown = {1: 1_000, 2: 50_000, 3: 50_000}
    assert views_after(2 * GAPS, lambda number: 50, shown) == {0}
    with mutated(named("what f others showed")):
        assert views_after(2 * GAPS, lambda number: 50, shown) == {1}


def test_where_all_are_slow_views_would_change_for_ever() -> None:
    assert views_after(12 * GAPS, lambda number: 50) == {3}
    with mutated(named("primaries are left for ever")):
        assert min(views_after(12 * GAPS, lambda number: 50)) > 3


def test_a_passing_trouble_would_protect_a_slow_primary_for_ever() -> None:
    def views() -> set[int]:
        slow = Slow()
        for replica in slow.group.replicas:
            replica.core.pace.shown = {1: 500_000, 2: 500_000, 3: 500_000}
            replica.core.pace.begin(slow.group.now)
        end = slow.group.now + 2 * WHILE
        while slow.group.now < end and slow.views == {0}:
            slow.ask(500)
        return slow.views

    assert views() == {1}
    with mutated(named("what others showed once")):
        assert views() == {0}


def test_one_that_says_it_leaves_would_make_all_less_patient_for_ever() -> None:
    """Replica 3 says so once. Later the primary takes more than half of what it may."""

    def views() -> set[int]:
        slow = Slow()
        for number in range(4 * GAPS):
            if number == GAPS:
                slow.group.core(3).pace.is_slow = True
                slow.group.settle(3)
            slow.ask(8 if number > 3 * GAPS else 1)
        return {slow.group.core(number).view for number in range(3)}

    assert views() == {0}
    with mutated(named("who has left makes others less patient")):
        assert views() == {1}


def views_after_fetching(milliseconds: int) -> set[int]:
    fetched = Fetched()
    for _ in range(GAPS):
        fetched.ask(milliseconds)
    return fetched.views


def test_a_client_that_sends_to_the_primary_alone_would_cost_a_view() -> None:
    assert views_after_fetching(0) == {0}
    with mutated(named("the primary is blamed")):
        assert views_after_fetching(0) == {1}


def test_a_primary_that_is_late_with_bodies_would_stay() -> None:
    assert views_after_fetching(150) == {1}
    with mutated(named("the primary is not blamed")):
        assert views_after_fetching(150) == {0}


# Primaries that do not tell all the same


def view_after_votes_for_another(*voters: int) -> int:
    """Of replica 3, which the primary told one batch, when others say that they accepted another one."""
    group = Group(4, SETTINGS)
    message, data = proposal(group)
    propose(group, message, data, 3)
    for voter in voters:
        group.say(voter, Prepare(0, 1, X, voter), 3, run=False)
    return group.core(3).view


def test_one_liar_would_cost_a_view() -> None:
    assert view_after_votes_for_another(1) == 0
    with mutated(named("one liar proves")):
        assert view_after_votes_for_another(1) == 1


def test_who_was_told_something_else_would_stay() -> None:
    assert view_after_votes_for_another(1, 2) == 1
    with mutated(named("who was told something else")):
        assert view_after_votes_for_another(1, 2) == 0


def view_when_omitted_in_turn() -> int:
    """That all are in, after the primary has left out another backup each time."""
    omitting = Omitting()
    for _ in range(20):
        omitting.leave_out(1, 2, 3, milliseconds=TIMEOUT // 5)
    return min(views(omitting.group))


def test_a_primary_that_omits_another_one_each_time_would_stay() -> None:
    assert view_when_omitted_in_turn() >= 1
    with mutated(named("nobody counts how long it waits")):
        assert view_when_omitted_in_turn() == 0


def test_the_first_to_leave_would_leave_the_others_behind() -> None:
    """Replica 3 was the first. Every batch needs the other two now, and each has only one that could tell it."""

    def view() -> int:
        omitting = Omitting()
        view_change.start(omitting.group.core(3), 1, "this test")
        omitting.group.settle(3)
        omitting.group.run()
        for _ in range(20):
            omitting.leave_out(1, 2, milliseconds=TIMEOUT // 5)
        return min(views(omitting.group))

    assert view() >= 1
    with mutated(named("who has left is not taken")):
        assert view() == 0


def test_waits_that_are_far_apart_would_cost_a_view() -> None:
    def view() -> int:
        omitting = Omitting()
        for _ in range(5):
            omitting.leave_out(2, 3, milliseconds=TIMEOUT // 4)
            omitting.group.advance(6 * TIMEOUT)
        return omitting.group.core(3).view

    assert view() == 0
    with mutated(named("what was waited for long ago")):
        assert view() > 0


def test_one_long_trouble_would_cost_a_view() -> None:
    assert view_after_one_long_trouble() == 0
    with mutated(named("one long trouble")):
        assert view_after_one_long_trouble() > 0


def test_a_backup_that_hears_badly_would_leave_every_primary() -> None:
    assert not leaves(core_that_has_waited(1, 2))
    with mutated(named("a backup that hears badly")):
        assert leaves(core_that_has_waited(1, 2))

"""When a client believes what replicas say (OSDI'99 4.1, 5.1; facts 3.2)."""

from __future__ import annotations

import pytest

from quorate.client.votes import Ballot, Votes
from quorate.core.quorum import quorums_of
from quorate.messages.digests import reply_digest
from quorate.messages.protocol import Outcome, Reply

ONE = (b"1",)
YES = Ballot(Outcome.EXECUTED, ONE)


def votes(*said: tuple[int, int, bool], replicas: int = 4, results: tuple[bytes, ...] = ONE) -> Votes:
    """Replies that say the same: replica, view, and whether they are tentative."""
    counted = Votes(quorums_of(replicas))
    for replica, view, is_tentative in said:
        counted.take(reply(replica, view, is_tentative, results))
    return counted


def reply(replica: int, view: int, is_tentative: bool, results: tuple[bytes, ...] = ONE) -> Reply:
    return Reply(view, b"c" * 32, 1, 1, Outcome.EXECUTED, results, replica, is_tentative)


@pytest.mark.parametrize(("replicas", "needed"), [(4, 2), (7, 3), (10, 4)])
def test_tent_4_f_plus_1_that_have_committed_it(replicas: int, needed: int) -> None:
    """4.1: of any views."""
    said = [(replica, 10 + replica, False) for replica in range(needed)]
    assert votes(*said, replicas=replicas).certified() == YES
    assert votes(*said[1:], replicas=replicas).certified() is None


@pytest.mark.parametrize(("replicas", "needed"), [(4, 3), (6, 4), (7, 5), (10, 7)])
def test_ro_5_a_quorum_where_reads_are_not_ordered(replicas: int, needed: int) -> None:
    """Facts 3.3: "with read-only enabled the client waits for a quorum of replies for every request"."""
    for committed in range(needed + 1):
        counted = Votes(quorums_of(replicas), has_read_only_path=True)
        for replica in range(needed):
            assert counted.certified() is None
            counted.take(reply(replica, 3, replica >= committed))
        assert counted.certified() == YES


@pytest.mark.parametrize(("replicas", "needed"), [(4, 3), (6, 4), (7, 5), (10, 7)])
def test_tent_4_a_quorum_that_prepared_it_in_one_view(replicas: int, needed: int) -> None:
    """5.1: "the client waits for 2f + 1 matching tentative replies"; so f + 1 correct replicas prepared it."""
    said = [(replica, 3, True) for replica in range(needed)]
    assert votes(*said, replicas=replicas).certified() == YES
    assert votes(*said[1:], replicas=replicas).certified() is None


def test_tent_4_who_has_committed_it_has_prepared_it() -> None:
    """A reply that is not tentative counts among those that are, whatever its view."""
    assert votes((0, 3, True), (1, 3, True), (2, 9, False)).certified() == YES
    assert votes((0, 3, True), (2, 9, False)).certified() is None


def test_tent_4_tentative_replies_of_different_views_do_not_go_together() -> None:
    """Facts 3.2: "two different single-replica prepared instances in different views plus one liar reach 2f + 1 at
    f = 1 although neither will commit"."""
    assert votes((0, 0, True), (1, 1, True), (2, 0, True)).certified() is None
    assert votes((0, 0, True), (1, 1, True), (2, 2, True), (3, 3, True)).certified() is None
    assert votes((0, 0, True), (1, 1, True), (2, 1, True), (3, 1, True)).certified() == YES


def test_tent_4_a_replica_has_one_vote_its_latest() -> None:
    counted = votes((0, 0, True), (0, 1, False), (0, 2, True), (0, 2, False))
    assert counted.certified() is None
    counted.take(reply(1, 0, False))
    assert counted.certified() == YES
    counted.take(reply(0, 0, False, (b"2",)))
    assert counted.certified() is None


def test_what_differs_does_not_go_together() -> None:
    counted = votes((0, 0, False))
    counted.take(reply(1, 0, False, (b"2",)))
    counted.take(reply(2, 0, True))
    assert counted.certified() is None
    counted.take(reply(3, 0, True))
    assert counted.certified() == YES


LARGE = (b"1" * 300,)
LARGE_YES = Ballot(Outcome.EXECUTED, LARGE)


def digest(replica: int, view: int = 0, is_tentative: bool = False, outcome: int = Outcome.EXECUTED) -> Reply:
    return Reply(view, b"c" * 32, 1, 1, outcome, reply_digest(outcome, LARGE), replica, is_tentative)


def test_dig_3_whole_results_and_their_digest_count_together() -> None:
    """Facts 3.1: one replica sends the results, the others vouch for them."""
    counted = votes((0, 0, False), results=LARGE)
    assert counted.agreed() is counted.certified() is None
    counted.take(digest(1))
    assert counted.certified() == LARGE_YES


def test_dig_3_a_digest_alone_is_no_result() -> None:
    counted = votes()
    for replica in (1, 2, 3):
        counted.take(digest(replica))
    assert counted.agreed() == reply_digest(Outcome.EXECUTED, LARGE)
    assert counted.certified() is None
    counted.take(reply(0, 0, False, (b"2" * 300,)))
    assert counted.certified() is None
    counted.take(reply(0, 0, False, LARGE))
    assert counted.certified() == LARGE_YES


def test_dig_3_one_replica_alone_proves_nothing_by_both() -> None:
    counted = votes((0, 0, False), results=LARGE)
    counted.take(digest(0))
    assert counted.agreed() is None


def test_dig_3_a_digest_does_not_take_back_what_its_sender_said_whole() -> None:
    """A replica that comes to another view answers once more, perhaps by a digest."""
    counted = votes((0, 0, True), results=LARGE)
    counted.take(digest(0, view=1, is_tentative=True))
    for replica in (1, 2):
        counted.take(digest(replica, view=1, is_tentative=True))
    assert counted.certified() == LARGE_YES


def test_dig_3_tentative_digests_go_together_only_within_one_view() -> None:
    counted = votes((0, 1, True), results=LARGE)
    counted.take(digest(1, view=1, is_tentative=True))
    counted.take(digest(2, view=2, is_tentative=True))
    assert counted.agreed() is None
    counted.take(digest(3, view=1, is_tentative=True))
    assert counted.certified() == LARGE_YES


def test_dig_3_a_digest_of_small_results_vouches_for_nothing() -> None:
    """No correct replica sends one, so it need not count; nor does it stand in the way."""
    counted = votes((0, 0, False))
    counted.take(Reply(0, b"c" * 32, 1, 1, Outcome.EXECUTED, reply_digest(Outcome.EXECUTED, ONE), 1))
    assert counted.certified() is None
    counted.take(reply(2, 0, False))
    assert counted.certified() == YES

"""What a client believes of what was not ordered, and when it has it ordered (OSDI'99 5.1; facts 3.3)."""

from __future__ import annotations

import pytest

from core.group import configuration_of, key_pair
from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.client.reads import PATIENCE_MIN, Answered, Certificates, Reads, ToBeOrdered
from quorate.client.session import SendRequest, first_interval_of
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import REPLICAS_MAX
from quorate.messages.reads import Answer, Read, ReadReply

CLIENT = key_pair(200).public_key
CONFIGURATION = configuration_of(4)
FIRST = 100
PATIENCE = first_interval_of(CONFIGURATION)

Said = tuple[bytes, int, int]
"""A result, since when it has been the same, and until when."""


def reply(replica: int, *said: Said | None, nonce: int = FIRST, until: int = 9) -> ReadReply:
    answers = tuple(None if one is None else Answer(one[0], one[1]) for one in said)
    last = next((one[2] for one in said if one is not None), until)
    return ReadReply(CLIENT, nonce, last, answers, replica)


def certified(*said: Said | None, replicas: int = 4) -> bytes | None:
    """What is believed when the replicas, in order, said so."""
    certificates = Certificates(quorums_of(replicas))
    for replica, one in enumerate(said):
        certificates.take(reply(replica, one))
    return certificates.certified(0)


@pytest.mark.parametrize(("replicas", "needed"), [(4, 3), (6, 4), (7, 5), (10, 7)])
def test_ro_4_a_quorum_gives_the_same_result(replicas: int, needed: int) -> None:
    same: list[Said | None] = [(b"1", 3, 5)] * needed
    assert certified(*same, replicas=replicas) == b"1"
    assert certified(*same[1:], replicas=replicas) is None
    assert certified(*same[1:], (b"2", 3, 5), replicas=replicas) is None
    assert certified(*same[1:], None, replicas=replicas) is None


def test_ro_4_equal_results_of_states_with_another_between_them_are_not_one_answer() -> None:
    """The value came with 1, went with 2 and came back with 3. If the write of 2 was answered, it was read after that,
    so the read is behind 3. If 0 is where it was at 1, a later read may find two replicas at 2, and a liar."""
    assert certified((b"A", 1, 1), (b"A", 3, 3), (b"A", 3, 3)) is None
    assert certified((b"A", 1, 1), (b"A", 3, 3), (b"A", 1, 3)) is None
    assert certified((b"A", 3, 4), (b"A", 3, 3), (b"A", 3, 5)) == b"A"


def test_ro_4_who_lags_agrees_where_nothing_has_changed() -> None:
    """Nor is the number from which on the replicas know it the same: one fetched a state, another restarted."""
    assert certified((b"A", 2, 4), (b"A", 2, 90), (b"A", 4, 80)) == b"A"
    assert certified((b"A", 2, 4), (b"A", 2, 90), (b"A", 5, 80)) is None


def test_ro_4_a_liar_cannot_stretch_what_others_say() -> None:
    """Its own claim may be as wide as it likes: the others have to agree with each other."""
    assert certified((b"A", 1, 1), (b"A", 3, 3), (b"A", 0, 2**62), None) is None
    assert certified((b"A", 7, 3), (b"A", 3, 7), (b"A", 3, 7)) is None, "a claim about no state counts for nothing"


def test_ro_4_a_replica_has_one_answer_its_first() -> None:
    certificates = Certificates(quorums_of(4))
    for _ in range(3):
        certificates.take(reply(0, (b"1", 1, 1)))
    certificates.take(reply(1, (b"2", 1, 1)))
    certificates.take(reply(1, (b"1", 1, 1)))
    certificates.take(reply(2, (b"1", 1, 1)))
    assert certificates.certified(0) is None


def test_ro_4_each_operation_is_answered_by_itself() -> None:
    """A liar may also answer fewer than were asked, or more."""
    reads = make_reads()
    nonce = reads.begin((b"a", b"b"), 0)
    reads.receive(reply(0, (b"1", 1, 1), (b"2", 1, 1)), 5)
    reads.receive(reply(1, (b"1", 1, 1)), 6)
    reads.receive(reply(2, (b"1", 1, 1), (b"2", 1, 1), (b"3", 1, 1)), 7)
    assert reads.settle(7)[1:] == [Answered(nonce, 0, b"1")]
    reads.receive(reply(3, (b"0", 1, 1), (b"2", 1, 1)), 8)
    assert reads.settle(8) == [Answered(nonce, 1, b"2")]
    assert not reads.is_under_way(nonce)
    assert reads.next_deadline() is None


def make_reads() -> Reads:
    return Reads(ClientAuthenticator(key_pair(200), CONFIGURATION), CONFIGURATION, FIRST)


def test_a_read_goes_to_all_replicas_at_once() -> None:
    reads = make_reads()
    nonce = reads.begin((b"get",), 0)

    (sent,) = reads.settle(0)

    assert isinstance(sent, SendRequest)
    assert sent.receivers == (0, 1, 2, 3)
    for replica in range(4):
        opened = ReplicaAuthenticator(replica, key_pair(replica + 1), CONFIGURATION).open(sent.frame)
        assert opened.message == Read(CLIENT, nonce, (b"get",))


def test_ro_4_an_answer_to_another_read_is_none_to_this() -> None:
    """However often it is replayed: no nonce comes again."""
    reads = make_reads()
    first = reads.begin((b"get",), 0)
    for replica in range(3):
        reads.receive(reply(replica, (b"1", 1, 1), nonce=first), 1)
    assert Answered(first, 0, b"1") in reads.settle(1)
    second = reads.begin((b"get",), 2)
    assert second != first
    for replica in range(4):
        assert not reads.awaits(reply(replica, (b"1", 1, 1), nonce=first))
        reads.receive(reply(replica, (b"1", 1, 1), nonce=first), 3)
    assert [type(effect) for effect in reads.settle(3)] == [SendRequest]


def test_an_answer_that_tells_nothing_new_need_not_be_verified() -> None:
    reads = make_reads()
    nonce = reads.begin((b"get",), 0)
    assert reads.awaits(reply(0, None))
    reads.receive(reply(0, None), 1)
    assert not reads.awaits(reply(0, None))
    assert not reads.awaits(reply(1, None, nonce=nonce + 1))
    assert reads.awaits(reply(REPLICAS_MAX - 1, None)), "who that is, its authentication says"


def test_ro_7_it_is_ordered_when_the_time_is_up() -> None:
    reads = make_reads()
    nonce = reads.begin((b"get",), 10)
    reads.receive(reply(0, (b"1", 1, 1)), 20)
    reads.receive(reply(1, (b"1", 1, 1)), 20)
    assert reads.next_deadline() == 10 + PATIENCE
    assert len(reads.settle(9 + PATIENCE)) == 1
    assert reads.settle(10 + PATIENCE) == [ToBeOrdered(nonce, (0,))]
    assert reads.next_deadline() is None


def test_ro_7_it_is_ordered_as_soon_as_no_quorum_can_agree() -> None:
    """Two of four decline it, or say different things to each other and to a third."""
    reads = make_reads()
    nonce = reads.begin((b"a", b"b"), 0)
    reads.receive(reply(0, None, (b"2", 1, 1)), 1)
    reads.receive(reply(1, None, (b"2", 1, 1)), 2)
    assert len(reads.settle(2)) == 1
    reads.receive(reply(2, None, (b"3", 2, 2)), 3)
    assert reads.settle(3) == []
    reads.receive(reply(3, None, (b"3", 2, 2)), 4)
    assert reads.settle(4) == [ToBeOrdered(nonce, (0, 1))]

    nonce = reads.begin((b"a",), 0)
    reads.receive(reply(0, None, nonce=nonce), 1)
    reads.receive(reply(1, None, nonce=nonce), 2)
    assert reads.settle(2)[1:] == [ToBeOrdered(nonce, (0,))]


def test_ro_7_who_is_late_gets_no_more_time_than_the_others_needed() -> None:
    reads = make_reads()
    nonce = reads.begin((b"get",), 0)
    for replica, said in enumerate([(b"1", 1, 1), (b"1", 1, 1), (b"0", 0, 0)]):
        reads.receive(reply(replica, said), 5_000)
    assert reads.next_deadline() == 10_000
    assert reads.settle(10_000)[1:] == [ToBeOrdered(nonce, (0,))]

    nonce = reads.begin((b"get",), 20_000)
    for replica, said in enumerate([(b"1", 1, 1), (b"1", 1, 1), (b"0", 0, 0)]):
        reads.receive(reply(replica, said, nonce=nonce), 20_001)
    assert reads.next_deadline() == 20_001 + PATIENCE_MIN


def test_a_read_that_nobody_waits_for_is_forgotten() -> None:
    reads = make_reads()
    nonce = reads.begin((b"a", b"b"), 0)
    for replica in range(3):
        reads.receive(reply(replica, (b"1", 1, 1), (b"%d" % (replica // 2), 1, 1)), 1)
    assert Answered(nonce, 0, b"1") in reads.settle(1)
    assert reads.abandon(nonce) == 1
    reads.receive(reply(3, (b"1", 1, 1), (b"2", 1, 1)), 2)
    assert reads.settle(PATIENCE) == []
    assert reads.next_deadline() is None

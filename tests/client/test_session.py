"""The client's rules, one test each."""

from __future__ import annotations

import pytest

from quorate.auth.authenticator import SIGNED_BYTES, ClientAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.known import CHANCE_BITS, OPENING_TICKS, Openings, opening_timestamp
from quorate.client.session import (
    IDLE_MICROSECONDS,
    SIGNED_AFTERWARDS,
    Completed,
    Failed,
    SendRequest,
    Session,
    SessionEffect,
)
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.core.quorum import designated_of
from quorate.errors import PermissionDenied, RequestRefused
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.digests import reply_digest
from quorate.messages.protocol import OPERATIONS_MAX, Outcome, Reply, Request

WALL = 1_700_000_000_000_000
SESSION = 5 * 1024
FIRST_INTERVAL = 250_000
EVERYONE = (0, 1, 2, 3)
LARGEST = 2**63 - 1


def configuration_of(replica_count: int) -> ClusterConfiguration:
    keys = [KeyPair(bytes([index + 1]) * 32).public_key.hex() for index in range(replica_count + 1)]
    members = tuple(Member("127.0.0.1", 7000 + index, keys[index]) for index in range(replica_count))
    settings = Settings(request_authentication="mac", request_bytes_max=4096, read_only_path=False)
    return ClusterConfiguration("0" * 32, "1" * 32, "counter", members, (ClientEntry("c", keys[-1]),), settings)


class Bench:
    """A session, and replies put into its hands."""

    def __init__(self, replica_count: int = 4, first_open_timestamp: int = WALL, first_timestamp: int = 1) -> None:
        configuration = configuration_of(replica_count)
        authenticator = ClientAuthenticator(KeyPair(bytes([replica_count + 1]) * 32), configuration)
        self.session = Session(authenticator, configuration, first_open_timestamp, first_timestamp)
        self.now = 1_000_000
        self.sent: list[SendRequest] = []

    def settle(self) -> list[SessionEffect]:
        """What the session wants, apart from sending."""
        effects = self.session.settle(self.now)
        self.sent += [effect for effect in effects if isinstance(effect, SendRequest)]
        return [effect for effect in effects if not isinstance(effect, SendRequest)]

    def begin(self, *operations: bytes) -> list[SessionEffect]:
        self.session.begin(operations, self.now)
        return self.settle()

    @property
    def request(self) -> Request:
        """The request that was sent last."""
        request = decode(decode_envelope(self.sent[-1].frame).payload)
        assert isinstance(request, Request)
        return request

    def reply(
        self, replica: int, outcome: int, *results: bytes | None, view: int = 0, to: Request | None = None
    ) -> list[SessionEffect]:
        request = to or self.request
        reply = Reply(view, request.client, request.session, request.timestamp, outcome, results, replica)
        self.session.receive(reply, self.now)
        return self.settle()

    def digest(self, replica: int, *results: bytes | None, is_tentative: bool = False) -> list[SessionEffect]:
        """The replica says that it has executed the request, with what results by their digest."""
        request, digest = self.request, reply_digest(Outcome.EXECUTED, results)
        client, session, timestamp = request.client, request.session, request.timestamp
        reply = Reply(0, client, session, timestamp, Outcome.EXECUTED, digest, replica, is_tentative)
        self.session.receive(reply, self.now)
        return self.settle()

    @property
    def designated(self) -> int:
        """Who sends the results of the present request, if they are large."""
        return designated_of(self.request.client, self.request.session, self.request.timestamp, 4)

    @property
    def others(self) -> list[int]:
        """All but that one."""
        return [replica for replica in EVERYONE if replica != self.designated]

    def certificate(self, outcome: int, *results: bytes | None, view: int = 0) -> list[SessionEffect]:
        request = self.request
        return [
            effect for replica in (1, 2) for effect in self.reply(replica, outcome, *results, view=view, to=request)
        ]

    def open(self, *operations: bytes, session: int = SESSION) -> None:
        """Begin a request and open the session for it."""
        assert self.begin(*operations) == []
        assert self.certificate(Outcome.SESSION_OPENED, session.to_bytes(8, "big")) == []

    def complete(self, *operations: bytes) -> None:
        self.begin(*operations)
        assert self.certificate(Outcome.EXECUTED, *operations) == [Completed(operations)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def failure(effects: list[SessionEffect]) -> RequestRefused:
    [failed] = effects
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RequestRefused)
    return failed.error


class TestOpening:
    def test_a_session_is_opened_before_the_first_request(self, bench: Bench) -> None:
        bench.begin(b"a")

        assert (bench.request.session, bench.request.timestamp, bench.request.operations) == (0, WALL, ())
        assert bench.session.is_opening

    def test_requests_name_the_session_that_f_plus_1_replicas_opened(self, bench: Bench) -> None:
        bench.open(b"a")

        assert (bench.request.session, bench.request.timestamp, bench.request.operations) == (SESSION, 1, (b"a",))
        assert not bench.session.is_opening

    def test_timestamps_grow_from_request_to_request(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"b")

        assert (bench.request.session, bench.request.timestamp) == (SESSION, 2)

    def test_the_caller_may_draw_the_first_timestamp(self) -> None:
        bench = Bench(first_timestamp=77)
        bench.open(b"a")

        assert bench.request.timestamp == 77

    def test_an_opening_that_is_too_early_is_done_again_above_what_the_replicas_know(self, bench: Bench) -> None:
        bench.begin(b"a")
        bench.certificate(Outcome.STALE, (WALL + 500).to_bytes(8, "big"))

        assert (bench.request.session, bench.request.timestamp) == (0, WALL + 501)
        bench.certificate(Outcome.SESSION_OPENED, SESSION.to_bytes(8, "big"))
        assert bench.request.operations == (b"a",)

    def test_clients_that_share_a_key_and_open_above_the_same_timestamp_spread_out(self) -> None:
        opened = set()
        for first_timestamp in (1, 12_345, 999_999):
            bench = Bench(first_timestamp=first_timestamp)
            bench.begin(b"a")
            bench.certificate(Outcome.STALE, (WALL + 500).to_bytes(8, "big"))
            opened.add(bench.request.timestamp)

        assert len(opened) == 3

    def test_openings_follow_the_wall_clock(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.now += 10_000_000
        bench.begin(b"b")

        assert (bench.request.session, bench.request.timestamp) == (0, WALL + 10_000_000)

    def test_opening_timestamps_do_not_overflow(self, bench: Bench) -> None:
        """C4: a timestamp far in the future locks out its own client, and nothing overflows."""
        bench.begin(b"a")

        error = failure(bench.certificate(Outcome.STALE, LARGEST.to_bytes(8, "big")))

        assert "give it a new key" in str(error)

    @pytest.mark.parametrize("results", [(), (b"short",), (None,), (b"\0" * 8,), (b"\xff" * 8,), (b"\1" * 8,) * 2])
    def test_an_opening_without_a_session_number_is_not_believed(
        self, bench: Bench, results: tuple[bytes | None, ...]
    ) -> None:
        bench.begin(b"a")

        assert "outcome unknown" in str(failure(bench.certificate(Outcome.SESSION_OPENED, *results)))


class TestCertificates:
    def test_f_plus_1_equal_replies_complete_a_request(self, bench: Bench) -> None:
        bench.open(b"a", b"b")

        assert bench.reply(0, Outcome.EXECUTED, b"1", None) == []
        assert bench.reply(3, Outcome.EXECUTED, b"1", None) == [Completed((b"1", None))]
        assert bench.session.is_idle
        assert bench.session.next_deadline() is None

    def test_a_larger_group_needs_more(self) -> None:
        bench = Bench(replica_count=7)
        bench.begin(b"a")
        for replica in (0, 1):
            bench.reply(replica, Outcome.SESSION_OPENED, SESSION.to_bytes(8, "big"), to=None)

        assert bench.session.is_opening
        bench.reply(2, Outcome.SESSION_OPENED, SESSION.to_bytes(8, "big"), to=None)
        assert bench.request.operations == (b"a",)

    def test_one_replica_has_one_vote(self, bench: Bench) -> None:
        bench.open(b"a")

        assert bench.reply(0, Outcome.EXECUTED, b"1") == []
        assert bench.reply(0, Outcome.EXECUTED, b"1") == []

    def test_a_replicas_newest_vote_counts(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.reply(0, Outcome.EXECUTED, b"wrong")
        bench.reply(0, Outcome.EXECUTED, b"right")

        assert bench.reply(1, Outcome.EXECUTED, b"wrong") == []
        assert bench.reply(2, Outcome.EXECUTED, b"right") == [Completed((b"right",))]

    def test_different_results_do_not_add_up(self, bench: Bench) -> None:
        """B13: a wrong reply."""
        bench.open(b"a")

        assert bench.reply(0, Outcome.EXECUTED, b"1") == []
        assert bench.reply(1, Outcome.EXECUTED, b"2") == []
        assert bench.reply(2, Outcome.EXECUTED, b"3") == []
        assert bench.reply(3, Outcome.EXECUTED, b"2") == [Completed((b"2",))]

    def test_different_outcomes_do_not_add_up(self, bench: Bench) -> None:
        bench.open(b"a")

        assert bench.reply(0, Outcome.SESSION_CLOSED) == []
        assert bench.reply(1, Outcome.EXECUTED) == []

    def test_views_may_differ(self, bench: Bench) -> None:
        bench.open(b"a")

        assert bench.reply(0, Outcome.EXECUTED, b"1", view=3) == []
        assert bench.reply(1, Outcome.EXECUTED, b"1", view=4) == [Completed((b"1",))]

    def test_replies_to_other_requests_are_ignored(self, bench: Bench) -> None:
        bench.open(b"a")
        earlier = bench.request
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"b")
        for replica in EVERYONE:
            assert bench.reply(replica, Outcome.EXECUTED, b"1", to=earlier) == []

        assert not bench.session.awaits(earlier.session, earlier.timestamp)
        assert bench.session.awaits(bench.request.session, bench.request.timestamp)

    def test_a_reply_of_a_replica_that_is_not_there_is_ignored(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.reply(1, Outcome.EXECUTED, b"1")

        assert bench.reply(63, Outcome.EXECUTED, b"1", view=9) == []

    def test_as_many_results_as_operations(self, bench: Bench) -> None:
        bench.open(b"a", b"b")

        assert "outcome unknown" in str(failure(bench.certificate(Outcome.EXECUTED, b"1")))

    def test_an_outcome_of_a_later_version_is_refused(self, bench: Bench) -> None:
        bench.open(b"a")

        assert "outcome 9" in str(failure(bench.certificate(9)))


class TestSending:
    def test_the_believed_primary_comes_first(self, bench: Bench) -> None:
        bench.begin(b"a")

        assert [sent.receivers for sent in bench.sent] == [(0,)]

    def test_without_an_answer_all_get_it_again_ever_more_slowly(self, bench: Bench) -> None:
        bench.begin(b"a")
        start = bench.now
        times = []
        for _ in range(9):
            deadline = bench.session.next_deadline()
            assert deadline is not None
            bench.now = deadline - 1
            count = len(bench.sent)
            assert bench.settle() == []
            assert len(bench.sent) == count, "not before its time"
            bench.now = deadline
            bench.settle()
            times.append((bench.now - start) // FIRST_INTERVAL)

        assert times == [1, 2, 4, 8, 16, 32, 48, 64, 80]
        assert all(sent.receivers == EVERYONE for sent in bench.sent[1:])
        assert len({decode_envelope(sent.frame).payload for sent in bench.sent}) == 1

    def test_with_macs_what_is_sent_again_is_signed_and_so_are_the_next_ones(self) -> None:
        bench = Bench()
        bench.open(b"a")
        assert bench.certificate(Outcome.EXECUTED, b"") == [Completed((b"",))]

        def is_signed() -> bool:
            return len(decode_envelope(bench.sent[-1].frame).authentication) == SIGNED_BYTES

        bench.begin(b"b")
        assert not is_signed()
        bench.now += FIRST_INTERVAL
        bench.settle()
        assert is_signed()
        bench.certificate(Outcome.EXECUTED, b"")
        for _ in range(SIGNED_AFTERWARDS):
            bench.begin(b"c")
            assert is_signed()
            bench.certificate(Outcome.EXECUTED, b"")
        bench.begin(b"d")
        assert not is_signed()

    def test_the_next_request_starts_with_the_first_interval(self, bench: Bench) -> None:
        bench.begin(b"a")
        bench.now += 10 * FIRST_INTERVAL
        bench.settle()
        bench.certificate(Outcome.SESSION_OPENED, SESSION.to_bytes(8, "big"))

        assert bench.session.next_deadline() == bench.now + FIRST_INTERVAL

    def test_when_the_link_to_the_primary_is_lost_all_get_it_at_once(self, bench: Bench) -> None:
        bench.begin(b"a")
        bench.session.primary_lost(bench.now)
        bench.settle()

        assert [sent.receivers for sent in bench.sent] == [(0,), EVERYONE]
        assert bench.session.next_deadline() == bench.now + FIRST_INTERVAL

    def test_sep_1_a_large_request_goes_to_all_at_once(self, bench: Bench) -> None:
        bench.open(b"x" * 2000)
        assert bench.sent[-1].receivers == EVERYONE
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"y" * 500)
        assert bench.sent[-1].receivers == (0,)

    def test_sep_4_it_says_whether_the_primary_has_a_request_from_the_client_alone(self, bench: Bench) -> None:
        """What is large goes to all, and is kept back there until it comes again (SEP-4); a small one is passed on."""
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"b")
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"x" * 2000)
        bench.now += FIRST_INTERVAL
        bench.settle()

        told = [(sent.receivers, sent.needs_primary) for sent in bench.sent]
        assert told == [((0,), True), (EVERYONE, False), ((0,), True), (EVERYONE, True), (EVERYONE, False)]

    def test_a_lost_link_means_nothing_to_an_idle_session(self, bench: Bench) -> None:
        bench.session.primary_lost(bench.now)

        assert bench.settle() == []
        assert bench.sent == []

    def test_a_certificate_that_is_there_goes_before_retransmission(self, bench: Bench) -> None:
        bench.open(b"a")
        request = bench.request
        for replica in (0, 1):
            bench.session.receive(
                Reply(0, request.client, request.session, request.timestamp, Outcome.EXECUTED, (b"1",), replica),
                bench.now,
            )
        bench.now += 10 * FIRST_INTERVAL
        count = len(bench.sent)

        assert bench.settle() == [Completed((b"1",))]
        assert len(bench.sent) == count


class TestDigests:
    """DIG-4: what becomes of a request whose results are known by their digest alone."""

    LARGE = b"r" * 1000

    def agree(self, bench: Bench, *replicas: int) -> None:
        """They say the digest, a millisecond after the request was sent."""
        bench.now += 1000
        for replica in replicas:
            assert bench.digest(replica, self.LARGE) == []

    def test_dig_4_the_results_are_waited_for_as_long_again_as_the_certificate_took(self, bench: Bench) -> None:
        bench.open(b"a")
        count = len(bench.sent)
        self.agree(bench, *bench.others)

        assert len(bench.sent) == count
        assert bench.session.next_deadline() == bench.now + 1000
        assert bench.reply(bench.designated, Outcome.EXECUTED, self.LARGE) == [Completed((self.LARGE,))]

    def test_dig_4_then_all_are_asked_once_and_nothing_is_signed_for_it(self, bench: Bench) -> None:
        """5.1: "it retransmits the request (as usual) requesting all replicas to send full replies"."""
        bench.open(b"a")
        frame, count = bench.sent[-1].frame, len(bench.sent)
        self.agree(bench, *bench.others)
        bench.now += 1000
        assert bench.settle() == []

        assert bench.sent[count:] == [SendRequest(EVERYONE, frame)]
        assert bench.session.next_deadline() == bench.now + FIRST_INTERVAL
        assert bench.reply(bench.others[0], Outcome.EXECUTED, self.LARGE) == [Completed((self.LARGE,))]
        bench.begin(b"b")
        assert len(decode_envelope(bench.sent[-1].frame).authentication) != SIGNED_BYTES

    def test_dig_4_after_that_it_is_sent_again_as_ever(self, bench: Bench) -> None:
        bench.open(b"a")
        count = len(bench.sent)
        self.agree(bench, *bench.others)
        for _ in range(3):
            bench.now += 1000
            bench.settle()
        assert len(bench.sent) == count + 1
        bench.now += FIRST_INTERVAL
        bench.settle()
        assert [sent.receivers for sent in bench.sent[count:]] == [EVERYONE, EVERYONE]

    @pytest.mark.parametrize("is_first", [True, False])
    def test_dig_4_a_liar_whose_turn_it_is_is_not_waited_for(self, bench: Bench, is_first: bool) -> None:
        """B14: wrong results, or a digest where the results should be."""
        bench.open(b"a")
        count, liar, others = len(bench.sent), bench.designated, bench.others
        if is_first:
            bench.reply(liar, Outcome.EXECUTED, b"lie" * 1000)
            self.agree(bench, *others[:2])
        else:
            self.agree(bench, *others[:2])
            bench.digest(liar, self.LARGE)

        assert [sent.receivers for sent in bench.sent[count:]] == [EVERYONE]
        assert bench.reply(others[0], Outcome.EXECUTED, self.LARGE) == [Completed((self.LARGE,))]

    def test_dig_4_nor_one_whose_link_is_lost(self, bench: Bench) -> None:
        bench.open(b"a")
        count = len(bench.sent)
        bench.session.link_changed(bench.others[-1], bench.now)
        self.agree(bench, *bench.others[:2])
        assert len(bench.sent) == count
        bench.session.link_changed(bench.designated, bench.now)
        bench.settle()
        assert [sent.receivers for sent in bench.sent[count:]] == [EVERYONE]

    def test_dig_4_who_was_silent_in_its_turn_is_not_waited_for_in_its_next(self, bench: Bench) -> None:
        bench.open(b"a")
        silent = bench.designated
        for turn in range(3):
            while bench.designated != silent:
                self.agree(bench, *bench.others[:1])
                bench.reply(bench.designated, Outcome.EXECUTED, self.LARGE)
                bench.begin(b"next")
            count = len(bench.sent)
            self.agree(bench, *bench.others)
            assert len(bench.sent) == count + (turn > 0)
            bench.now += 1000
            bench.settle()
            assert len(bench.sent) == count + 1
            bench.reply(bench.others[0], Outcome.EXECUTED, self.LARGE)
            bench.begin(b"next")

    def test_dig_4_until_it_sends_them(self, bench: Bench) -> None:
        bench.open(b"a")
        silent = bench.designated
        self.agree(bench, *bench.others)
        bench.now += 1000
        bench.settle()
        assert bench.reply(bench.others[0], Outcome.EXECUTED, self.LARGE) == [Completed((self.LARGE,))]
        for is_trusted in (False, True):
            bench.begin(b"next")
            while bench.designated != silent:
                self.agree(bench, *bench.others[:1])
                bench.reply(bench.designated, Outcome.EXECUTED, self.LARGE)
                bench.begin(b"next")
            if is_trusted:
                count = len(bench.sent)
                self.agree(bench, *bench.others)
                assert len(bench.sent) == count
            else:
                bench.reply(silent, Outcome.EXECUTED, self.LARGE)
                assert bench.digest(bench.others[0], self.LARGE) == [Completed((self.LARGE,))]

    def test_dig_4_who_is_only_a_little_slower_than_the_rest_is_trusted_again(self, bench: Bench) -> None:
        bench.open(b"a")
        slow = bench.designated
        bench.session.link_changed(slow, bench.now)
        for is_trusted in (False, True):
            while bench.designated != slow:
                self.agree(bench, *bench.others[:1])
                bench.reply(bench.designated, Outcome.EXECUTED, self.LARGE)
                bench.begin(b"next")
            count = len(bench.sent)
            self.agree(bench, *bench.others)
            assert len(bench.sent) == count + (not is_trusted)
            bench.now += 999
            assert bench.reply(slow, Outcome.EXECUTED, self.LARGE) == [Completed((self.LARGE,))]
            bench.begin(b"next")

    def test_dig_4_while_nobody_agrees_nothing_is_asked(self, bench: Bench) -> None:
        bench.open(b"a")
        count = len(bench.sent)
        bench.now += 1000
        bench.digest(bench.others[0], self.LARGE)
        bench.digest(bench.others[1], b"another" * 100)
        bench.now += FIRST_INTERVAL // 2
        bench.settle()
        assert len(bench.sent) == count

    def test_dig_4_a_quorum_of_tentative_digests_is_needed(self, bench: Bench) -> None:
        """TENT-4 holds for digests too."""
        bench.open(b"a")
        for replica in bench.others[:2]:
            bench.digest(replica, self.LARGE, is_tentative=True)
        assert bench.session.next_deadline() == bench.now + FIRST_INTERVAL
        bench.now += 1000
        bench.digest(bench.others[2], self.LARGE, is_tentative=True)
        assert bench.session.next_deadline() == bench.now + 1000


class TestViews:
    def test_the_primary_follows_the_views_that_replies_state(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1", view=6)
        bench.begin(b"b")

        assert bench.session.primary == 2
        assert bench.sent[-1].receivers == (2,)

    def test_f_liars_cannot_mislead(self, bench: Bench) -> None:
        """B13: the (f + 1)-th largest of the stated views."""
        bench.open(b"a")
        bench.reply(3, Outcome.EXECUTED, b"lie", view=LARGEST)

        assert bench.session.primary == 0
        bench.reply(1, Outcome.EXECUTED, b"1", view=1)
        assert bench.session.primary == 1, "f + 1 replicas are in view 1 or later: one of them is correct"

    def test_late_replies_do_not_take_it_back(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1", view=2)
        bench.begin(b"b")
        bench.certificate(Outcome.EXECUTED, b"1", view=1)

        assert bench.session.primary == 2

    def test_a_liar_that_claims_old_views_does_not_hold_it_back(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.reply(0, Outcome.EXECUTED, b"lie", view=0)
        bench.certificate(Outcome.EXECUTED, b"1", view=5)

        assert bench.session.primary == 1


class TestClosedSessions:
    def test_a_request_that_meets_a_closed_session_is_never_sent_again(self, bench: Bench) -> None:
        bench.open(b"pay")
        bench.certificate(Outcome.EXECUTED, b"1")
        bench.begin(b"pay again")
        count = len(bench.sent)

        error = failure(bench.certificate(Outcome.SESSION_CLOSED))

        assert "outcome unknown" in str(error)
        assert len(bench.sent) == count

    def test_the_next_request_opens_a_new_session(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.SESSION_CLOSED)
        bench.open(b"b", session=SESSION + 7)

        assert (bench.request.session, bench.request.timestamp) == (SESSION + 7, 2)

    def test_an_idle_session_is_not_trusted_and_opened_anew_before_anything_is_sent(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"1")

        bench.now += IDLE_MICROSECONDS - 1
        assert not bench.session.needs_opening(bench.now)
        bench.now += 1
        assert bench.session.needs_opening(bench.now)
        bench.open(b"b", session=SESSION + 7)
        assert bench.request.operations == (b"b",)

    def test_use_keeps_a_session_trusted(self, bench: Bench) -> None:
        bench.open(b"a")
        bench.certificate(Outcome.EXECUTED, b"a")
        for _ in range(5):
            bench.now += IDLE_MICROSECONDS - 1
            bench.complete(b"b")

        assert bench.request.session == SESSION

    def test_a_session_that_someone_else_used_is_left(self, bench: Bench) -> None:
        bench.open(b"a")

        assert "outcome unknown" in str(failure(bench.certificate(Outcome.STALE)))
        assert bench.session.needs_opening(bench.now)


class TestRefusals:
    def test_a_client_that_is_not_admitted_is_named(self, bench: Bench) -> None:
        bench.begin(b"a")
        key = bench.request.client.hex()

        assert key in str(failure(bench.certificate(Outcome.DENIED)))

    def test_it_may_be_revoked_later(self, bench: Bench) -> None:
        bench.open(b"a")

        assert "does not admit" in str(failure(bench.certificate(Outcome.DENIED)))

    def test_a_request_has_operations_and_not_too_many(self, bench: Bench) -> None:
        with pytest.raises(RequestRefused, match="has 1 to"):
            bench.session.begin((), bench.now)
        with pytest.raises(RequestRefused, match="has 1 to"):
            bench.session.begin((b"",) * (OPERATIONS_MAX + 1), bench.now)
        assert bench.session.is_idle

    def test_a_request_that_the_replicas_would_ignore_is_not_sent(self, bench: Bench) -> None:
        with pytest.raises(RequestRefused, match="request_bytes_max of 4096"):
            bench.session.begin((bytes(4096),), bench.now)
        assert bench.settle() == []
        assert bench.sent == []

    def test_the_largest_request_that_is_sent_fits(self, bench: Bench) -> None:
        bench.open(bytes(3800))

        assert len(bench.sent[-1].frame) <= 4096

    def test_one_request_at_a_time(self, bench: Bench) -> None:
        bench.begin(b"a")

        with pytest.raises(RuntimeError, match="one outstanding request"):
            bench.session.begin((b"b",), bench.now)


class TestAbandoning:
    def test_an_abandoned_request_is_silent_and_the_next_has_a_larger_timestamp(self, bench: Bench) -> None:
        bench.open(b"a")
        abandoned = bench.request
        bench.session.abandon()

        assert bench.session.next_deadline() is None
        assert bench.session.is_idle
        bench.begin(b"b")
        assert (bench.request.session, bench.request.timestamp) == (SESSION, abandoned.timestamp + 1)
        for replica in EVERYONE:
            assert bench.reply(replica, Outcome.EXECUTED, b"late", to=abandoned) == []

    def test_an_abandoned_opening_is_done_again_with_a_larger_timestamp(self, bench: Bench) -> None:
        bench.begin(b"a")
        bench.session.abandon()
        bench.begin(b"b")

        assert (bench.request.session, bench.request.timestamp) == (0, WALL + 1)

    def test_what_was_not_settled_is_gone_too(self, bench: Bench) -> None:
        bench.session.begin((b"a",), bench.now)
        bench.session.abandon()

        assert bench.settle() == []
        assert bench.sent == []


@pytest.mark.parametrize("year", [1970, 2026, 2111])
def test_openings_tick_with_the_wall_clock_whatever_chance_says(year: int) -> None:
    second = (year - 1970) * 31_556_952
    early, late = second * 1_000_000, second * 1_000_000 + 2_000
    most = (1 << CHANCE_BITS) - 1

    assert opening_timestamp(early, most) < opening_timestamp(late, 0) < 2**63
    assert opening_timestamp(early, 1) - opening_timestamp(early, 0) == 1
    openings = Openings(opening_timestamp(early, 7), 1, OPENING_TICKS)
    assert openings.next(5_000) == opening_timestamp(early, 7)
    assert abs(opening_timestamp(early + 600_000_000, 0) - openings.next(600_005_000)) < 1 << CHANCE_BITS


class TestAccess:
    """Requests of session 0 that concern the access table."""

    @staticmethod
    def administer(bench: Bench, *operations: bytes) -> list[SessionEffect]:
        bench.session.administer(operations, bench.now)
        return bench.settle()

    def test_it_is_a_request_of_session_0(self, bench: Bench) -> None:
        assert self.administer(bench, b"a") == []
        assert (bench.request.session, bench.request.operations) == (0, (b"a",))

        assert bench.certificate(Outcome.EXECUTED, b"done") == [Completed((b"done",))]
        assert bench.session.is_idle
        assert bench.session.needs_opening(bench.now)

    def test_where_a_later_one_is_known_it_is_sent_again_above_it(self, bench: Bench) -> None:
        self.administer(bench, b"a")
        known = bench.request.timestamp + 1000

        assert bench.certificate(Outcome.STALE, known.to_bytes(8, "big")) == []
        assert bench.request.operations == (b"a",)
        assert bench.request.timestamp > known
        assert bench.certificate(Outcome.EXECUTED, b"done") == [Completed((b"done",))]

    def test_who_is_no_administrator_is_told_so(self, bench: Bench) -> None:
        self.administer(bench, b"a")

        error = failure(bench.certificate(Outcome.DENIED))
        assert isinstance(error, PermissionDenied)
        assert "no administrator" in str(error)
        assert bench.session.is_idle

    @pytest.mark.parametrize("results", [(), (b"short",), (b"x" * 8, b"")])
    def test_what_no_correct_replica_says_ends_it(self, bench: Bench, results: tuple[bytes, ...]) -> None:
        self.administer(bench, b"a")

        assert "does not know" in str(failure(bench.certificate(Outcome.STALE, *results)))

    def test_one_thing_at_a_time(self, bench: Bench) -> None:
        self.administer(bench, b"a")

        with pytest.raises(RuntimeError, match="one outstanding"):
            self.administer(bench, b"b")

    def test_what_a_client_that_may_only_read_gets(self, bench: Bench) -> None:
        bench.open(b"a", b"b")

        assert bench.certificate(Outcome.READ_ONLY, b"1", None) == [Completed((b"1", None), True)]

"""The normal case: PRE-PREPARE, PREPARE, COMMIT (OSDI'99 4.2; facts 1.4, 1.9, 2.2)."""

from __future__ import annotations

import pytest

from core.group import Group, state_of
from quorate.config import Settings
from quorate.core.log import Phase, open_batch
from quorate.core.normal_case import MILLISECOND
from quorate.core.quorum import quorums_of
from quorate.messages.codec import Envelope, decode_envelope, encode_batch, encode_envelope
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Batch, Chosen, Commit, Decided, FetchBatches, Prepare, PrePrepare, ViewChange

SMALL = Settings(checkpoint_interval=4)
SIZES = pytest.mark.parametrize("replica_count", [4, 5, 6, 7, 10])
DIGEST = b"d" * 32
MODES = pytest.mark.parametrize(
    "settings", [SMALL, Settings(checkpoint_interval=4, replica_authentication="signature")], ids=["macs", "signatures"]
)


def batch_of(group: Group, *frames: bytes, time: int | None = None) -> tuple[bytes, bytes]:
    """A batch's bytes and digest."""
    data = encode_batch(Batch(group.wall if time is None else time, frames))
    return data, open_batch(data).digest


def silence(group: Group) -> None:
    """Nothing that a replica says reaches another: a test hands over every message."""
    group.reaches = lambda sender, receiver, message: False


def accepted(group: Group, receiver: int = 1, sequence_number: int = 1, time: int | None = None) -> bytes:
    """A backup has accepted the primary's proposal of an empty batch."""
    data, digest = batch_of(group, time=time)
    group.say(0, PrePrepare(0, sequence_number, digest, 0), receiver, attachments=(data,))
    return digest


def said(group: Group, sender: int, kind: type) -> list[object]:
    return [message for number, message in group.sent if number == sender and isinstance(message, kind)]


class TestPrePrepare:
    """PP-1 to PP-5."""

    def test_pp_1_a_backup_accepts_the_primarys_proposal(self) -> None:
        """ "A backup accepts a PRE-PREPARE provided ..." all four conditions hold."""
        group = Group(4, SMALL)
        silence(group)
        digest = accepted(group)
        slot = group.core(1).log.slots[1]
        assert (slot.digest, slot.phase) == (digest, Phase.PRE_PREPARED)
        assert said(group, 1, Prepare) == [Prepare(0, 1, digest, 1)]

    def test_pp_1_only_from_the_primary_of_its_view(self) -> None:
        """ "the signatures in the request and the PRE-PREPARE are correct": the sender is the primary of v."""
        group = Group(4, SMALL)
        data, digest = batch_of(group)
        assert group.refusal(1, 2, PrePrepare(0, 1, digest, 2), (data,)) == "not from the primary of its view"

    @pytest.mark.parametrize("view", [1, 4, 5, 2**63 - 1])
    def test_pp_1_only_in_its_view(self, view: int) -> None:
        """ "it is in view v": neither a later view nor, after a view change, an older one (P6)."""
        group = Group(4, SMALL)
        data, digest = batch_of(group)
        assert "not entered" in group.refusal(2, view % 4, PrePrepare(view, 1, digest, view % 4), (data,))

    def test_pp_1_nothing_of_a_view_that_was_left(self) -> None:
        """4.4: once it sent VIEW-CHANGE, it accepts nothing but CHECKPOINT, VIEW-CHANGE and NEW-VIEW (and early
        votes)."""
        group = Group(4, SMALL)
        silence(group)
        group.submit(group.request((), 0, 1), 1)
        group.advance(1100)
        data, digest = batch_of(group)
        assert group.core(1).view == 1
        before = state_of(group.core(1))
        for proposal in (PrePrepare(0, 1, digest, 0), PrePrepare(4, 1, digest, 0)):
            group.receive(1, group.authenticators[0].seal(proposal, (data,)))
            assert state_of(group.core(1)) == before
        assert "left" in group.refusal(1, 2, Prepare(0, 1, digest, 2))
        assert "left" in group.refusal(1, 2, Commit(0, 1, digest, 2))
        assert "not entered" in group.refusal(2, 1, PrePrepare(1, 1, digest, 1), (data,))

    @pytest.mark.parametrize(("sequence_number", "why"), [(0, "at or below"), (9, "above"), (2**63 - 1, "above")])
    def test_pp_1_only_between_the_watermarks(self, sequence_number: int, why: str) -> None:
        """ "the sequence number is between a low water mark, h, and a high water mark, H"; "this prevents a faulty
        primary
        from exhausting the space of sequence numbers by selecting a very large one" (P5)."""
        group = Group(4, SMALL)
        data, digest = batch_of(group)
        assert why in group.refusal(1, 0, PrePrepare(0, sequence_number, digest, 0), (data,))

    @pytest.mark.parametrize("sequence_number", [1, 8])
    def test_pp_1_both_ends_of_the_window(self, sequence_number: int) -> None:
        """h < n <= H."""
        group = Group(4, SMALL)
        silence(group)
        accepted(group, sequence_number=sequence_number)
        assert group.core(1).log.slots[sequence_number].phase is Phase.PRE_PREPARED

    def test_pp_1_no_second_digest_for_a_number(self) -> None:
        """ "it has not accepted a PRE-PREPARE for view v and sequence number n containing a different digest" (P2)."""
        group = Group(4, SMALL)
        silence(group)
        accepted(group)
        data, digest = batch_of(group, time=group.wall - 1)
        assert group.refusal(1, 0, PrePrepare(0, 1, digest, 0), (data,)) == "another digest was accepted"
        data, digest = batch_of(group)
        assert group.refusal(1, 0, PrePrepare(0, 1, digest, 0), (data,)) == "already accepted"

    def test_pp_1_the_primary_takes_none(self) -> None:
        """A copy of its own proposal changes nothing."""
        group = Group(4, SMALL)
        silence(group)
        group.submit(group.request((), 0, 1), 0)
        core = group.core(0)
        before = state_of(core)
        opened = group.authenticators[1].open(core.log.slots[1].frame)
        group.replicas[0].receive(opened, group.now, group.wall)
        assert state_of(core) == before

    def test_pp_2_the_batch_has_the_digest_and_keeps_the_limits(self) -> None:
        """ "d is the digest for m"; P13: over-long and malformed batches."""
        limits = Settings(batch_requests_max=2, request_bytes_max=1024, batch_bytes_max=2048)
        group = Group(4, limits)
        session = 5
        data, digest = batch_of(group)
        other, _ = batch_of(group, time=1)
        message = PrePrepare(0, 1, digest, 0)
        assert group.refusal(1, 0, message, (other,)) == "the batch has another digest"
        assert group.refusal(1, 0, message, ()) == "without its batch"
        assert group.refusal(1, 0, message, (data, data)) == "without its batch"
        assert group.refusal(1, 0, message, (b"junk",)) == "the batch is malformed"
        inner = encode_batch(Batch(1, (b"no frame",)))
        assert group.refusal(1, 0, message, (inner,)) == "the batch is malformed"
        vote = encode_batch(Batch(1, (group.authenticators[0].seal(Prepare(0, 1, DIGEST, 0)),)))
        assert group.refusal(1, 0, message, (vote,)) == "the batch is malformed"
        for frames, why in (
            ([group.request((b"x",), session, t) for t in range(3)], "more requests than batch_requests_max"),
            ([group.request((b"x" * 1100,), session, 1)], "a request in the batch is not acceptable"),
            ([group.request((), session, 1)], "a request in the batch is not acceptable"),
            ([group.request((b"x" * 4000,), session, t) for t in range(2)], "larger than batch_bytes_max"),
        ):
            data, digest = batch_of(group, *frames)
            assert group.refusal(1, 0, PrePrepare(0, 1, digest, 0), (data,)) == why

    @pytest.mark.parametrize("authentication", ["signature", "mac"])
    def test_pp_3_a_request_that_is_not_authentic_is_not_prepared(self, authentication: str) -> None:
        """ "the signatures in the request ... are correct" (P10): otherwise it waits, and nothing is said."""
        settings = Settings(request_authentication=authentication)  # type: ignore[arg-type]
        group = Group(4, settings)
        session = group.open_session()
        silence(group)
        good = decode_envelope(group.request((b"add 1",), session, 1))
        forged = encode_envelope(Envelope(good.payload, bytes(len(good.authentication))))
        data, digest = batch_of(group, forged)
        group.say(0, PrePrepare(0, 2, digest, 0), 1, attachments=(data,))
        slot = group.core(1).log.slots[2]
        assert (slot.digest, slot.phase) == (None, Phase.EMPTY)
        assert slot.parked is not None
        assert set(said(group, 1, Prepare)) == {Prepare(0, 1, slot_digest(group), 1)}

    def test_pp_3_a_request_held_from_its_client_is_authentic(self) -> None:
        """Facts 2.2: "or it already holds an authenticated copy of that request from the client"."""
        group = Group(4, Settings(request_authentication="mac"))
        session = group.open_session()
        silence(group)
        frame = group.request((b"add 1",), session, 1)
        good = decode_envelope(frame)
        forged = encode_envelope(Envelope(good.payload, bytes(len(good.authentication))))
        data, digest = batch_of(group, forged)
        group.receive(1, frame)
        group.say(0, PrePrepare(0, 2, digest, 0), 1, attachments=(data,))
        assert group.core(1).log.slots[2].digest == digest

    @pytest.mark.parametrize("replica_count", [4, 7])
    def test_pp_4_f_prepares_vouch_for_an_unauthentic_request(self, replica_count: int) -> None:
        """Facts 2.2: "or f backups' PREPAREs (plus the primary = f + 1, so one correct) vouch for that digest"."""
        group = Group(replica_count, Settings(request_authentication="mac"))
        session = group.open_session()
        silence(group)
        good = decode_envelope(group.request((b"add 1",), session, 1))
        forged = encode_envelope(Envelope(good.payload, bytes(len(good.authentication))))
        data, digest = batch_of(group, forged)
        faults = quorums_of(replica_count).faults
        group.say(0, PrePrepare(0, 2, digest, 0), 1, attachments=(data,))
        for backup in range(2, 2 + faults):
            assert group.core(1).log.slots[2].digest is None
            group.say(backup, Prepare(0, 2, DIGEST, backup), 1)  # a vote for another digest vouches for nothing
            assert group.core(1).log.slots[2].digest is None
        for backup in range(2 + faults, 2 + 2 * faults):
            assert group.core(1).log.slots[2].digest is None
            group.say(backup, Prepare(0, 2, digest, backup), 1)
        assert group.core(1).log.slots[2].digest == digest
        # It is prepared for the others' sake; nobody here waits for it.
        assert len(group.core(1).waiting) == 0

    def test_pp_4_what_is_decided_is_vouched_for(self) -> None:
        """DEC-2: f + 1 claims are a correct replica's word. Nobody asks for its body again and again."""
        group = Group(4, Settings(request_authentication="mac"))
        session = group.open_session()
        good = decode_envelope(group.request((b"add 1",), session, 1))
        spoilt = encode_envelope(Envelope(good.payload, good.authentication[:-1] + b"?"))  # at replica 3
        group.reaches = lambda sender, receiver, message: not (isinstance(message, Prepare | Commit) and receiver == 3)
        group.submit(spoilt, 0)
        core = group.core(3)
        digest = group.core(0).log.slots[2].digest
        assert digest is not None
        assert (core.last_executed, core.log.slots[2].digest) == (1, None)
        for sender in (1, 2):
            group.say(sender, Decided((Chosen(2, digest),), sender), 3)
        assert core.log.slots[2].digest == digest
        before = len(group.sent)
        group.advance(100)
        assert core.last_executed == 2
        assert sum(isinstance(message, FetchBatches) for _, message in group.sent[before:]) <= 1
        assert len(core.waiting) == 0

    def test_pp_4_a_time_too_far_ahead_waits_until_it_is_not(self) -> None:
        """Decisions, time: "a backup parks a proposal that is ahead of its own clock by more than a set skew"."""
        group = Group(4, SMALL)
        silence(group)
        skew = SMALL.clock_skew_ms * MILLISECOND
        digest = accepted(group, time=group.wall + skew + 300_000)
        core = group.core(1)
        assert core.log.slots[1].parked is not None
        assert group.replicas[1].next_deadline() is not None
        group.advance(200)
        assert core.log.slots[1].digest is None
        group.advance(120)
        assert core.log.slots[1].digest == digest

    def test_pp_4_f_prepares_vouch_for_the_time_too(self) -> None:
        """A backup whose own clock is slow goes along with a correct one's."""
        group = Group(4, SMALL)
        silence(group)
        digest = accepted(group, time=group.wall + 3600 * 1_000_000)
        assert group.core(1).log.slots[1].digest is None
        group.say(2, Prepare(0, 1, digest, 2), 1)
        assert group.core(1).log.slots[1].digest == digest

    def test_pp_4_a_parked_proposal_is_no_vote(self) -> None:
        """Another proposal may take its place, and one whose digest matches may still come: nothing was said yet."""
        group = Group(4, SMALL)
        silence(group)
        accepted(group, time=group.wall + 3600 * 1_000_000)
        digest = accepted(group)
        assert group.core(1).log.slots[1].digest == digest
        assert said(group, 1, Prepare) == [Prepare(0, 1, digest, 1)]

    def test_pp_4_a_time_at_the_end_of_time_harms_nobody(self) -> None:
        """P12: 2**63 - 1 microseconds. It is parked, and dropped with the view."""
        group = Group(4, SMALL)
        session = group.open_session()
        data, digest = batch_of(group, time=2**63 - 1)
        group.say(0, PrePrepare(0, 2, digest, 0), attachments=(data,))
        group.stopped.add(0)
        group.advance(3000)
        group.submit(group.request((b"add 1",), session, 1))
        assert [group.core(number).last_executed for number in (1, 2, 3)] == [2] * 3
        assert max(group.core(number).tables.time for number in (1, 2, 3)) <= group.wall

    def test_pp_5_a_backup_says_prepare_the_primary_says_none(self) -> None:
        """4.2: "backup i ... multicasts a PREPARE"; facts 1.9: the primary sends none. n = 4: 3 + 9 + 12 messages."""
        group = Group(4, SMALL)
        group.advance(1500)
        group.submit(group.request((), 0, 1), 0)
        assert [len(said(group, number, PrePrepare)) for number in range(4)] == [1, 0, 0, 0]
        assert [len(said(group, number, Prepare)) for number in range(4)] == [0, 1, 1, 1]
        assert [len(said(group, number, Commit)) for number in range(4)] == [1, 1, 1, 1]


def slot_digest(group: Group) -> bytes:
    digest = group.core(1).log.decided_digest(1)
    assert digest is not None
    return digest


class TestPrepare:
    """PREP-1, PREP-2."""

    @SIZES
    def test_prep_1_prepared_needs_the_proposal_and_quorum_minus_one_prepares(self, replica_count: int) -> None:
        """ "prepared(m, v, n, i) is true iff replica i has inserted in its log the request m, a PRE-PREPARE for m in
        view v
        with sequence number n, and 2f PREPAREs from different backups that match the PRE-PREPARE"."""
        group = Group(replica_count, SMALL)
        silence(group)
        quorum = quorums_of(replica_count).quorum
        digest = accepted(group)
        slot = group.core(1).log.slots[1]
        others = list(range(2, replica_count))
        for missing, backup in enumerate(others[: quorum - 2]):
            assert slot.phase is Phase.PRE_PREPARED, f"{missing + 1} PREPAREs"
            assert said(group, 1, Commit) == []
            group.say(backup, Prepare(0, 1, digest, backup), 1)
        assert slot.phase is Phase.PREPARED
        assert said(group, 1, Commit) == [Commit(0, 1, digest, 1)]

    def test_prep_1_prepares_without_the_proposal_prepare_nothing(self) -> None:
        """The PRE-PREPARE is part of the certificate; when it comes late, the votes count."""
        group = Group(4, SMALL)
        silence(group)
        data, digest = batch_of(group)
        for backup in (2, 3):
            group.say(backup, Prepare(0, 1, digest, backup), 1)
        assert group.core(1).log.slots[1].phase is Phase.EMPTY
        group.say(0, PrePrepare(0, 1, digest, 0), 1, attachments=(data,))
        assert group.core(1).log.slots[1].phase is Phase.PREPARED

    def test_prep_1_other_digests_do_not_count_and_do_not_block(self) -> None:
        """B2, B3: one vote a sender, the first; votes for another digest make no certificate of this one."""
        group = Group(7, SMALL)
        silence(group)
        digest = accepted(group)
        slot = group.core(1).log.slots[1]
        for backup in (2, 3):
            group.say(backup, Prepare(0, 1, DIGEST, backup), 1)
            group.say(backup, Prepare(0, 1, digest, backup), 1)
        for backup in (4, 5):
            group.say(backup, Prepare(0, 1, digest, backup), 1)
            group.say(backup, Prepare(0, 1, digest, backup), 1)
        assert slot.phase is Phase.PRE_PREPARED
        group.say(6, Prepare(0, 1, digest, 6), 1)
        assert slot.phase is Phase.PREPARED

    def test_prep_2_a_prepare_of_the_primary_is_ignored(self) -> None:
        """B4: the primary sends none, so a PREPARE in its name is no vote."""
        group = Group(4, SMALL)
        silence(group)
        digest = accepted(group)
        assert group.refusal(1, 0, Prepare(0, 1, digest, 0)) == "a PREPARE in the name of the primary"

    @pytest.mark.parametrize("kind", [Prepare, Commit])
    @pytest.mark.parametrize(("sequence_number", "why"), [(0, "at or below"), (9, "above"), (2**63 - 1, "above")])
    def test_prep_2_com_2_votes_only_between_the_watermarks(self, kind: type, sequence_number: int, why: str) -> None:
        """ "A replica accepts PREPAREs ... provided their sequence number is between h and H"; COMMITs alike."""
        group = Group(4, SMALL)
        assert why in group.refusal(1, 2, kind(0, sequence_number, DIGEST, 2))

    @MODES
    @pytest.mark.parametrize("kind", [Prepare, Commit])
    def test_prep_2_com_2_the_first_vote_of_a_sender_stays(self, settings: Settings, kind: type) -> None:
        """B2: a double vote is evidence, never two votes."""
        group = Group(4, settings)
        silence(group)
        accepted(group)
        group.say(2, kind(0, 1, DIGEST, 2), 1)
        assert group.refusal(1, 2, kind(0, 1, b"e" * 32, 2)) == "a second vote for another digest"


class TestCommit:
    """COM-1, COM-2, EXEC-1."""

    @SIZES
    def test_com_1_committed_local_needs_a_quorum_of_commits(self, replica_count: int) -> None:
        """ "committed-local(m, v, n, i) is true iff prepared(m, v, n, i) is true and i has accepted 2f + 1 COMMITs
        (possibly
        including its own) from different replicas that match"; facts 1.9: f + 1 do not suffice."""
        group = Group(replica_count, SMALL)
        silence(group)
        quorums = quorums_of(replica_count)
        digest = accepted(group)
        for backup in range(2, 1 + quorums.quorum - 1):
            group.say(backup, Prepare(0, 1, digest, backup), 1)
        slot = group.core(1).log.slots[1]
        assert slot.phase is Phase.PREPARED
        voters = [0, *range(2, replica_count)]
        for voter in voters[: quorums.quorum - 1]:
            assert slot.phase is Phase.PREPARED
            assert group.core(1).last_executed == 0
            group.say(voter, Commit(0, 1, digest, voter), 1)
        assert slot.phase is Phase.COMMITTED
        assert group.core(1).last_executed == 1

    def test_com_1_commits_without_prepared_commit_nothing(self) -> None:
        """Prepared is part of it, however many COMMITs there are; they count once it holds."""
        group = Group(4, SMALL)
        silence(group)
        digest = accepted(group)
        for voter in (0, 2, 3):
            group.say(voter, Commit(0, 1, digest, voter), 1)
        slot = group.core(1).log.slots[1]
        assert slot.phase is Phase.PRE_PREPARED
        group.say(2, Prepare(0, 1, digest, 2), 1)
        assert slot.phase is Phase.COMMITTED

    def test_com_1_commits_for_another_digest_do_not_count(self) -> None:
        """B3."""
        group = Group(4, SMALL)
        silence(group)
        digest = accepted(group)
        group.say(2, Prepare(0, 1, digest, 2), 1)
        group.say(0, Commit(0, 1, DIGEST, 0), 1)
        group.say(2, Commit(0, 1, digest, 2), 1)
        assert group.core(1).log.slots[1].phase is Phase.PREPARED

    def test_exec_1_execution_is_in_sequence_order(self) -> None:
        """4.2: execute "after committed-local is true and i's state reflects the sequential execution of all requests
        with
        lower sequence numbers"; COMMITs may complete out of order."""
        group = Group(4, SMALL)
        silence(group)
        digests = {number: accepted(group, 1, number, time=group.wall + number) for number in (1, 2, 3)}
        for number in (3, 2, 1):
            assert group.core(1).last_executed == 0
            group.say(2, Prepare(0, number, digests[number], 2), 1)
            for voter in (0, 2):
                group.say(voter, Commit(0, number, digests[number], voter), 1)
        assert group.core(1).last_executed == 3
        executed = [trace.details["sequence_number"] for trace in group.traces[1] if trace.event == "executed"]
        assert executed == [1, 2, 3]

    def test_a_null_request_goes_through_all_phases_and_executes_as_nothing(self) -> None:
        """Facts 1.9: "it must be pre-prepared, prepared, committed, counts for checkpoints, advances last-executed"."""
        group = Group(4, Settings(checkpoint_interval=1))
        null = encode_batch(Batch(0, ()))
        assert open_batch(null).digest == NULL_DIGEST
        group.core(0).next_sequence_number = 2
        group.say(0, PrePrepare(0, 1, NULL_DIGEST, 0), 1, 2, 3, attachments=(null,))
        group.say(0, Commit(0, 1, NULL_DIGEST, 0), 1, 2, 3)
        assert [group.core(number).last_executed for number in (1, 2, 3)] == [1] * 3
        assert [group.core(number).log.low_watermark for number in (1, 2, 3)] == [1] * 3


class TestEarlyVotes:
    """VOTE-1."""

    @MODES
    def test_vote_1_votes_for_a_later_view_count_when_it_is_entered(self, settings: Settings) -> None:
        """Architecture: "votes for a higher view are kept ... and count when NEW-VIEW arrives"."""
        group = Group(4, settings)
        session = group.open_session()
        group.stopped.add(0)
        # Replica 3 hears all but the NEW-VIEW and what is proposed in it.
        group.reaches = lambda sender, receiver, message: (
            receiver != 3 or isinstance(message, Prepare | Commit | ViewChange)
        )
        group.submit(group.request((b"add 1",), session, 1))
        group.advance(1300)
        frame = group.core(1).views.new_view_frame
        assert frame
        assert group.core(3).log.slots[1].early_prepares
        group.reaches = lambda sender, receiver, message: False
        group.receive(3, frame)
        # What was chosen for 1 is prepared with the early vote of replica 2 and the own one.
        assert group.core(3).log.slots[1].phase >= Phase.PREPARED

    def test_vote_1_the_newest_view_of_a_sender_is_kept(self) -> None:
        """One early vote a sender, a slot and a kind, however many views it names."""
        group = Group(4, SMALL)
        for view in (3, 7, 5):
            group.say(2, Prepare(view, 1, DIGEST, 2), 1)
        assert [vote.view for vote in group.core(1).log.slots[1].early_prepares.values()] == [7]
        group.core(1).log.slots[1].enter_view(7)
        assert list(group.core(1).log.slots[1].prepares) == [2]
        assert group.core(1).log.slots[1].early_prepares == {}

    def test_vote_1_an_early_vote_is_no_vote_of_another_view(self) -> None:
        """Votes for view 5 say nothing in view 3."""
        group = Group(4, SMALL)
        group.say(2, Commit(5, 1, DIGEST, 2), 1)
        slot = group.core(1).log.slots[1]
        slot.enter_view(3)
        assert slot.commits == {}
        assert slot.early_commits[2].view == 5


def test_several_batches_are_in_flight_inside_the_window() -> None:
    """Facts 3.4: the primary orders a few batches at once; what arrives meanwhile waits for the next."""
    group = Group(4, Settings(batches_in_flight=2, batch_requests_max=3))
    sessions = [group.open_session(timestamp=at) for at in range(1, 9)]
    silence(group)
    for session in sessions:
        group.submit(group.request((b"add 1",), session, 1), 0)
    core = group.core(0)
    assert core.next_sequence_number - 1 - core.last_executed == 2
    group.reaches = lambda sender, receiver, message: True
    group.advance(2500)
    assert [group.core(number).last_executed for number in range(4)] == [12] * 4

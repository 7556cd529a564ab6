"""Checkpoints, stability and garbage collection (OSDI'99 4.3; facts 1.5, 1.9)."""

from __future__ import annotations

import pytest

from core.group import Group, total_of
from quorate.config import Settings
from quorate.core import checkpoints
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import Checkpoint, Commit, Prepare, PrePrepare
from quorate.messages.records import CheckpointRecord, Forget, StableRecord

SMALL = Settings(checkpoint_interval=4)
WRONG = b"w" * 32


def run_to(group: Group, sequence_number: int) -> None:
    """Fill the sequence numbers up to this one with openings of sessions."""
    for timestamp in range(group.core(0).last_executed + 1, sequence_number + 1):
        group.submit(group.request((), 0, timestamp), 0)


def no_checkpoints(group: Group) -> None:
    """CHECKPOINTs are lost; whatever else is said arrives."""
    group.reaches = lambda sender, receiver, message: not isinstance(message, Checkpoint)


def test_cp_1_one_is_taken_every_k_numbers() -> None:
    """ "These proofs are generated periodically, when a request with a sequence number divisible by some constant is
    executed"; the CHECKPOINT carries "the sequence number of the last request whose execution is reflected"."""
    group = Group(4, SMALL)
    no_checkpoints(group)
    run_to(group, 3)
    assert list(group.core(2).checkpoints.held) == [0]
    run_to(group, 8)
    assert list(group.core(2).checkpoints.held) == [0, 4, 8]
    own = [message for sender, message in group.sent if sender == 2 and isinstance(message, Checkpoint)]
    assert sorted({message.sequence_number for message in own}) == [4, 8]
    assert own[0].digest == group.core(2).checkpoints.held[4].digest


def test_cp_1_null_requests_count() -> None:
    """Facts 1.9: a null request "counts for checkpoints". (See also the normal case's test of null requests.)"""
    group = Group(4, Settings(checkpoint_interval=1))
    run_to(group, 2)
    assert [group.core(number).log.low_watermark for number in range(4)] == [2] * 4


def test_cp_1_the_digest_covers_service_tables_time_and_seed() -> None:
    """Decisions, digests: "they cover the service, client, session and access tables, last time, seed and
    epochs"."""
    group = Group(4, SMALL)
    session = group.open_session()
    base = checkpoints.hold(group.core(0), 100).digest
    core = group.core(0)

    def changed() -> bool:
        return checkpoints.hold(core, 101).digest != base

    assert not changed()
    core.tables.time += 1
    assert changed()
    core.tables.time -= 1
    seed, core.tables.seed = core.tables.seed, b"s" * 32
    assert changed()
    core.tables.seed = seed
    assert not changed()
    group.submit(group.request((b"add 1",), session, 1), 0)
    assert changed()


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Checkpoint(3, WRONG, 2, 0), "multiple"),
        (Checkpoint(0, WRONG, 2, 0), "at or below"),
        (Checkpoint(4, WRONG, 2, 1), "epoch"),
        (Checkpoint(2**63 - 1, WRONG, 2, 0), "multiple"),
    ],
)
def test_cp_2_what_is_recorded(message: Checkpoint, why: str) -> None:
    """CP-2, one condition at a time; the state stays as it was."""
    group = Group(4, SMALL)
    assert why in group.refusal(1, 2, message)


def test_cp_2_one_vote_a_sender() -> None:
    """B11: a sender's first CHECKPOINT for a number counts; a second for another digest is evidence."""
    group = Group(4, SMALL)
    group.say(2, Checkpoint(4, WRONG, 2, 0), 1)
    group.say(2, Checkpoint(4, b"x" * 32, 2, 0), 1)
    assert group.core(1).checkpoints.votes[4][2][0].digest == WRONG
    assert any("second vote" in name for name in group.core(1).incidents)


@pytest.mark.parametrize("replica_count", [4, 5, 6, 7, 10])
def test_cp_3_stable_needs_a_quorum(replica_count: int) -> None:
    """ "Each replica collects CHECKPOINTs in its log until it has 2f + 1 of them for sequence number n with the same
    digest
    d signed by different replicas"; f + 1 are not enough (facts 1.9)."""
    group = Group(replica_count, SMALL)
    no_checkpoints(group)
    run_to(group, 4)
    core = group.core(1)
    digest = core.checkpoints.held[4].digest
    voters = [number for number in range(replica_count) if number != 1]
    quorums = quorums_of(replica_count)
    for count, voter in enumerate(voters[: quorums.quorum - 1], start=1):
        assert core.log.low_watermark == 0, f"{count} CHECKPOINTs are no proof"
        group.say(voter, Checkpoint(4, digest, voter, 0), 1, run=False)
    assert core.log.low_watermark == 4
    assert len(core.checkpoints.stable_certificate) == quorums.quorum
    assert quorums.quorum > quorums.weak or quorums.faults == 0


def test_cp_3_wrong_digests_do_not_count() -> None:
    """B11: f wrong digests neither make nor prevent stability."""
    group = Group(4, SMALL)
    no_checkpoints(group)
    run_to(group, 4)
    core = group.core(1)
    digest = core.checkpoints.held[4].digest
    group.say(3, Checkpoint(4, WRONG, 3, 0), 1, run=False)
    group.say(0, Checkpoint(4, digest, 0, 0), 1, run=False)
    assert core.log.low_watermark == 0
    assert core.diverged_at is None
    group.say(2, Checkpoint(4, digest, 2, 0), 1, run=False)
    assert core.log.low_watermark == 4


def test_cp_3_a_quorum_for_a_state_that_is_not_held_moves_nothing() -> None:
    """Decisions, water marks: "h moves only to a checkpoint that is held here" (facts 1.5, LIB)."""
    group = Group(4, SMALL)
    group.stopped.add(1)
    run_to(group, 4)
    digest = group.core(0).checkpoints.held[4].digest
    group.stopped.clear()
    for voter in (0, 2, 3):
        group.say(voter, Checkpoint(4, digest, voter, 0), 1, run=False)
    assert group.core(1).log.low_watermark == 0
    assert group.core(1).last_executed == 0


def test_cp_3_a_quorum_for_another_state_says_that_the_own_is_damaged() -> None:
    """f + 1 equal digests that differ from the own one: it is this replica that is wrong, and it says so."""
    group = Group(4, SMALL)
    no_checkpoints(group)
    run_to(group, 4)
    for voter in (0, 2):
        group.say(voter, Checkpoint(4, WRONG, voter, 0), 1, run=False)
    assert group.core(1).diverged_at == 4
    assert group.replicas[1].report().needs_state


def test_cp_4_stability_discards_what_is_at_and_below() -> None:
    """ "it discards all PRE-PREPARE, PREPARE, and COMMIT messages with sequence number less than or equal to n ...;
    it also
    discards all earlier checkpoints and CHECKPOINT messages"; "the low-water mark is equal to the sequence number of
    the
    last stable checkpoint. The high-water mark H = h + k"."""
    group = Group(4, SMALL)
    no_checkpoints(group)
    run_to(group, 6)
    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)
    for number in range(4):
        core = group.core(number)
        assert (core.log.low_watermark, core.log.high_watermark) == (4, 12)
        assert sorted(core.log.slots) == [5, 6]
        assert sorted(core.log.prepared_claims) == sorted(core.log.pre_prepared_claims) == [5, 6]
        assert list(core.checkpoints.held) == [4]
        assert min(core.checkpoints.votes, default=5) > 4
        stable = [record for record in group.records[number] if isinstance(record, StableRecord | Forget)]
        assert [type(record) for record in stable] == [StableRecord, Forget]


def test_cp_4_a_checkpoint_is_on_disk_before_the_log_is_cut() -> None:
    """Architecture: "a CHECKPOINT leaves, and a log is cut, only once that state is on disk"."""
    group = Group(4, SMALL)
    run_to(group, 8)
    for records in group.records:
        kept: set[int] = set()
        for record in records:
            if isinstance(record, CheckpointRecord):
                kept.add(record.sequence_number)
            if isinstance(record, StableRecord | Forget):
                assert record.sequence_number in kept


def test_cp_5_a_laggards_checkpoint_is_stable_once_a_quorum_has_passed_it() -> None:
    """The others' CHECKPOINTs for its number are forgotten; that f + 1 correct ones are at or past it is what
    counts."""
    group = Group(4, SMALL)
    group.reaches = lambda sender, receiver, message: receiver != 3 or not isinstance(message, Checkpoint)
    run_to(group, 7)
    group.reaches = lambda sender, receiver, message: receiver != 3
    run_to(group, 12)
    core = group.core(3)
    assert (core.log.low_watermark, list(core.checkpoints.held), core.last_executed) == (0, [0, 4], 7)
    digest = group.core(0).checkpoints.held[12].digest
    for voter in (0, 1):
        assert core.log.low_watermark == 0
        group.say(voter, Checkpoint(12, digest, voter, 0), 3, run=False)
    assert core.log.low_watermark == 4


def test_gc_1_the_window_fills_and_empties() -> None:
    """B12: without CHECKPOINTs the primary stops at H and goes on when they come; the log never exceeds the window."""
    group = Group(4, SMALL)
    no_checkpoints(group)
    session = group.open_session()
    for timestamp in range(1, 30):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    assert [group.core(number).last_executed for number in range(4)] == [8] * 4
    assert max(len(group.core(number).log.slots) for number in range(4)) == 8
    group.reaches = lambda sender, receiver, message: True
    group.advance(2000)
    assert [total_of(service) for service in group.services] == [8] * 4
    for timestamp in range(30, 60):
        group.submit(group.request((b"add 1",), session, timestamp))
    assert [total_of(service) for service in group.services] == [38] * 4
    assert max(len(group.core(number).log.slots) for number in range(4)) <= 8
    assert max(len(group.core(number).log.history) for number in range(4)) <= 8


def test_gc_1_old_numbers_are_not_heard_again() -> None:
    """P6: "reuses (v, n) after checkpoint": below h nothing is accepted, so nothing has to be remembered."""
    group = Group(4, SMALL)
    run_to(group, 4)
    assert "at or below" in group.refusal(1, 2, Prepare(0, 4, WRONG, 2))
    assert "at or below" in group.refusal(1, 2, Commit(0, 1, WRONG, 2))
    assert "at or below" in group.refusal(1, 0, PrePrepare(0, 2, WRONG, 0), (b"\x92\x00\x90",))

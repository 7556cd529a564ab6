"""Laggards that once stayed behind, and what once was sent back to its author (docs/BUGS-FOUND.md)."""

from __future__ import annotations

import pytest

from bugs_of_others.staging import Stage
from quorate.core import checkpoints
from quorate.core.state_transfer import believed_checkpoint
from quorate.core.vouchers import NAMED_MAX
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Checkpoint, Message, NewView, Prepare, PrePrepare, Status


def behind_peers_that_restarted() -> Stage:
    """Replica 2 misses three numbers above the low watermark; then its peers die, and with them their history of
    decisions, which is in memory."""
    stage = Stage()
    stage.open()
    stage.stopped.add(2)
    stage.add(6)
    for number in (0, 1, 3):
        stage.restart(number)
        assert stage.core(number).log.history == {} or min(stage.core(number).log.history) > 1
    assert stage.core(2).last_executed == 1
    return stage


def test_a_laggard_whose_peers_restarted_fetches_the_state() -> None:
    """Nobody can tell it what was decided, and the peers' low watermark is inside its own window: when asking is in
    vain for some rounds, it fetches a checkpoint."""
    behind_peers_that_restarted().assert_recovers()


def test_it_would_ask_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "STUCK_ROUNDS_MAX", 10**9)
    with pytest.raises(AssertionError):
        behind_peers_that_restarted().assert_recovers()


def returned(stage: Stage) -> list[tuple[int, int, Message]]:
    """Lets every PRE-PREPARE and NEW-VIEW that comes back to its author be seen."""
    seen: list[tuple[int, int, Message]] = []
    before = stage.reaches

    def reaches(sender: int, receiver: int, message: Message) -> bool:
        if isinstance(message, PrePrepare | NewView) and message.replica == receiver:
            seen.append((sender, receiver, message))
        return before(sender, receiver, message)

    stage.reaches = reaches
    return seen


def test_nobody_gets_its_own_messages_back() -> None:
    """A primary that says in its STATUS that it lacks what it sent itself is not sent it: it would count the refusal as
    somebody's lie."""
    stage = Stage()
    stage.add()
    stage.stopped.add(0)
    stage.add()
    stage.advance(3000)
    assert stage.core(1).view == 1
    seen = returned(stage)
    for number in (2, 3):
        stage.say(1, Status(0, False, 0, 0, b"", 0, (), 1), number)
        stage.advance(200)
    assert seen == []
    stage.assert_recovers()
    assert not any(stage.core(number).incidents for number in stage.correct)


def test_a_backup_asks_for_a_proposal_that_it_only_hears_of() -> None:
    """Its vote is needed, since one replica is silent. Nothing was executed that it lacks; but a peer's STATUS shows a
    number that it has not seen. It does not wait for its own next STATUS, which an idle replica says rarely."""
    stage = Stage(liars=(2,))
    stage.open()
    while not any(sender == 3 and isinstance(message, Status) for sender, message in stage.sent):
        stage.advance(10)
    stage.stopped.add(2)
    stage.reaches = lambda sender, receiver, message: receiver != 3 or not isinstance(message, PrePrepare | Prepare)
    stage.add(1, 0)
    assert 2 not in stage.core(3).log.slots
    stage.mend()
    stage.advance(3 * stage.configuration.settings.status_interval_ms)
    assert stage.totals() == [1, 1, 1]


def test_a_fetch_needs_a_quorum_of_vouchers() -> None:
    """The low watermark moves with the fetch. f + 1 would do to believe the digest; but once the liars among them fall
    silent, no later view could begin from it."""
    stage = Stage()
    core = stage.core(0)
    stage.cut()
    for replica in (1, 2, 3):
        assert believed_checkpoint(core) is None
        stage.say(replica, Checkpoint(4, b"4" * 32, replica, 0), 0)
    assert believed_checkpoint(core) == (4, b"4" * 32)


GOOD, BAD = b"4" * 32, b"5" * 32


def certified(stage: Stage, number: int) -> None:
    """Replica 0, which lags, is sent a certificate for checkpoint 4, twice, as its peers send it."""
    for _ in range(2):
        for replica in (2, 3, 1):
            stage.say(replica, Checkpoint(number, GOOD, replica, 0), 0)


def test_who_signed_two_digests_counts_for_both() -> None:
    """A liar tells the laggard one digest, and its peers another, which becomes stable with its vote. Its peers forget
    what came before: only their certificate helps, and it has the liar's signature."""
    stage = Stage(liars=(1,))
    stage.cut()
    stage.say(1, Checkpoint(4, BAD, 1, 0), 0)
    certified(stage, 4)
    assert believed_checkpoint(stage.core(0)) == (4, GOOD)


def test_who_vouches_for_numbers_far_ahead_counts_for_near_ones_too() -> None:
    """Few statements of a sender are kept, those of the highest numbers. A liar fills its places with numbers that
    nobody will ever reach; its signature in a certificate still counts."""
    stage = Stage(liars=(1,))
    stage.cut()
    for number in range(4000, 4100, 4):
        stage.say(1, Checkpoint(number, BAD, 1, 0), 0)
    certified(stage, 4)
    assert believed_checkpoint(stage.core(0)) == (4, GOOD)


def test_two_digests_of_f_liars_make_no_certificate() -> None:
    """The laggard itself and the liar's two digests: whoever signs twice is one voucher of each."""
    stage = Stage(liars=(1,))
    stage.cut()
    for _ in range(3):
        stage.say(1, Checkpoint(4, BAD, 1, 0), 0)
        stage.say(2, Checkpoint(4, GOOD, 2, 0), 0)
        stage.say(1, Checkpoint(4, GOOD, 1, 0), 0)
    assert believed_checkpoint(stage.core(0)) is None


def test_what_is_kept_of_senders_of_many_digests_is_bounded() -> None:
    """Two liars of seven, of whom each signs everything that the others sign."""
    stage = Stage(7, liars=(4, 5))
    stage.cut()
    for number in range(4, 400, 4):
        for digest in (GOOD, BAD, b"6" * 32, b"7" * 32):
            for replica in (4, 5):
                stage.say(replica, Checkpoint(number, digest, replica, 0), 0)
    vouchers = stage.core(0).checkpoints.vouchers
    assert len(vouchers.signers) <= sum(map(len, vouchers.named.values())) <= 2 * NAMED_MAX
    assert {replica for signers in vouchers.signers.values() for replica in signers} == {4, 5}


def test_a_vote_counts_where_it_agrees_with_the_own_state() -> None:
    """A liar's first CHECKPOINT for a number says something else than its second, which is in its peers' certificate:
    a replica that is level makes that checkpoint stable too, though one correct replica does not vote."""
    stage = Stage(liars=(1,))
    stage.open()
    stage.stopped.add(3)
    stage.cut(Checkpoint)
    while stage.core(0).last_executed < 4:
        stage.add()
    held = stage.core(0).checkpoints.held[4].digest
    stage.say(1, Checkpoint(4, BAD, 1, 0), 0)
    stage.say(2, Checkpoint(4, held, 2, 0), 0)
    assert stage.core(0).log.low_watermark == 0
    stage.say(1, Checkpoint(4, held, 1, 0), 0)
    assert stage.core(0).log.low_watermark == 4
    assert any("second vote" in name for name in stage.core(0).incidents)


def test_who_fetched_a_checkpoint_goes_on_saying_that_it_holds_it() -> None:
    """It says so once when it has it, and that is lost. Where only f + 1 others hold it, and a liar keeps silent, they
    have no quorum without this vote, and their window may be full: their STATUS is answered with it."""
    stage = Stage()
    stage.add()
    stage.stopped.add(3)
    stage.add(30, 0)
    stage.stopped.clear()
    stage.cut(Checkpoint, only_from=(3,))
    stage.advance(3000)
    number = stage.core(3).log.low_watermark
    assert number == stage.core(0).log.low_watermark > 4
    senders = [
        message.replica
        for frame in stage.core(3).checkpoints.stable_certificate
        if isinstance(message := decode(decode_envelope(frame).payload), Checkpoint)
    ]
    assert senders == [0, 1, 2, 3]

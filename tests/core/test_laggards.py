"""Laggards that once stayed behind, and what once was sent back to its author (docs/BUGS-FOUND.md)."""

from __future__ import annotations

import pytest

from bugs_of_others.staging import Stage
from quorate.core import checkpoints
from quorate.core.state_transfer import believed_checkpoint
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

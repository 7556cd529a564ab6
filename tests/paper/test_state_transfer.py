"""Fetching a checkpoint (facts 4.3 to 4.5; decisions). See also
`tests/core/test_state_transfer.py`."""

from __future__ import annotations

import pytest

from core.group import Group, state_of, total_of
from quorate.config import Settings
from quorate.core.checkpoints import state_is_needed
from quorate.core.state_transfer import PIECES_BYTES_MAX, PIN_INTERVALS, PIN_INTERVALS_MAX
from quorate.messages.protocol import Checkpoint, FetchState, StatePieces
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.records import CheckpointRecord, StableRecord

SMALL = Settings(checkpoint_interval=4)
WRONG = b"w" * 32


def far_behind(settings: Settings = SMALL) -> tuple[Group, int]:
    """Replica 2 was cut off for longer than its peers' history; it is about to learn of it."""
    group = Group(4, settings)
    session = group.open_session()
    group.stopped.add(2)
    for timestamp in range(1, 40):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.stopped.clear()
    return group, session


def status(sender: int, low_watermark: int, last_executed: int) -> StatusMessage:
    return StatusMessage(0, False, low_watermark, last_executed, b"", 0, (), sender)


def test_st_0_f_plus_1_peers_have_forgotten_what_is_next() -> None:
    """Facts 1.5: "f + 1 replicas claiming a stable checkpoint above my window" start a fetch; f do not (B16)."""
    group = Group(4, SMALL)
    group.reaches = lambda sender, receiver, message: False
    core = group.core(1)
    group.say(2, status(2, 2**62, 2**62), 1)
    assert not state_is_needed(core)
    assert not group.replicas[1].report().needs_state
    group.say(3, status(3, 12, 12), 1)
    assert state_is_needed(core)
    assert group.replicas[1].report().needs_state


def test_st_0_their_checkpoints_say_it_too() -> None:
    """Peers that lack nothing seldom say STATUS, but their CHECKPOINTs came: who executed 20 has a low watermark of at
    least 12, so no history of what follows 0 any more; who executed 16 may have it."""
    group = Group(4, SMALL)
    group.reaches = lambda sender, receiver, message: False
    core = group.core(1)
    group.say(2, Checkpoint(400, WRONG, 2, 0), 1)
    assert not state_is_needed(core)
    group.say(3, Checkpoint(16, WRONG, 3, 0), 1)
    assert not state_is_needed(core)
    group.say(3, Checkpoint(20, WRONG, 3, 0), 1)
    assert state_is_needed(core)


def test_st_0_inside_the_peers_history_nothing_is_fetched() -> None:
    """What DECIDED can bring needs no checkpoint."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.stopped.add(2)
    for timestamp in range(1, 8):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    group.stopped.clear()
    group.advance(3000)
    assert total_of(group.services[2]) == 7
    assert not any(isinstance(message, FetchState) for _, message in group.sent)


def test_st_1_f_liars_provoke_no_fetch() -> None:
    """B16: CHECKPOINTs and claims of f replicas, for states that nobody has, do nothing."""
    group = Group(4, SMALL)
    group.open_session()
    for number in (4, 8, 400, 2**62):
        group.say(3, Checkpoint(number, WRONG, 3, 0))
        group.say(3, status(3, number, number))
    group.advance(3000)
    assert all(group.core(number).transfer is None for number in range(3))
    assert not any(isinstance(message, FetchState) for _, message in group.sent)


def test_st_1_the_newest_checkpoint_that_f_plus_1_vouch_for() -> None:
    """Facts 4.4: "gather until f + 1 replicas agree on (seq, digest); take the highest such". A higher one of a
    liar's own
    is not believed."""
    group, _ = far_behind()
    group.say(3, Checkpoint(4 * 10**6, WRONG, 3, 0), 2, run=False)
    group.reaches = lambda sender, receiver, message: not isinstance(message, StatePieces)
    group.advance(2500)
    transfer = group.core(2).transfer
    assert transfer is not None
    assert transfer.sequence_number == group.core(0).log.low_watermark == 40
    assert transfer.digest == group.core(0).checkpoints.held[40].digest


def test_st_1_nothing_is_executed_and_no_timer_runs_meanwhile() -> None:
    """Facts 1.5: "stop view timer while fetching"."""
    group, session = far_behind()
    group.reaches = lambda sender, receiver, message: not isinstance(message, StatePieces)
    group.advance(2500)
    core = group.core(2)
    executed = core.last_executed
    group.submit(group.request((b"add 1",), session, 40))
    group.advance(5000)
    assert core.transfer is not None
    assert core.last_executed == executed
    assert core.view == 0
    assert core.timers.timed is None


def test_st_2_only_what_is_held_is_sent_and_it_is_pinned_for_a_while() -> None:
    """Facts 4.3; decisions: "a checkpoint that a peer is fetching is pinned for a bounded time"."""
    group, session = far_behind()
    core = group.core(0)
    assert group.refusal(0, 2, FetchState(36, (), 2)) == "its checkpoint is not held here"
    assert group.refusal(0, 2, FetchState(2**63 - 1, ((1,),), 2)) == "its checkpoint is not held here"
    group.stopped.add(2)
    group.say(2, FetchState(40, (), 2), 0)
    for timestamp in range(40, 60):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    assert core.log.low_watermark == 60
    assert 40 in core.checkpoints.held
    group.advance((PIN_INTERVALS + 20) * SMALL.status_interval_ms)
    assert 40 not in core.checkpoints.held
    assert core.pins == {}


def test_st_2_a_peer_that_asks_for_ever_pins_one_checkpoint_and_not_for_ever() -> None:
    """B15, B21."""
    group, session = far_behind(Settings(checkpoint_interval=4, status_interval_ms=10))
    group.stopped.add(2)
    core = group.core(0)
    group.say(2, FetchState(40, (), 2), 0)
    for timestamp in range(40, 48):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    limit = group.now + PIN_INTERVALS_MAX * core.status_interval
    while group.now < limit:
        group.say(2, FetchState(40, (), 2), 0)
        assert len(core.pins) == 1
        group.advance(400)
    group.advance(2 * PIN_INTERVALS * 10)
    assert 40 not in core.checkpoints.held


def test_st_2_an_answer_is_bounded_in_bytes() -> None:
    """What does not fit is asked for again."""
    group, _ = far_behind()
    group.services[0].fetch = lambda number, path: b"x" * (PIECES_BYTES_MAX // 2)  # type: ignore[method-assign]
    group.sent.clear()
    group.say(2, FetchState(40, tuple((n,) for n in range(100)), 2), 0, run=False)
    ((_, answer),) = [entry for entry in group.sent if isinstance(entry[1], StatePieces)]
    assert isinstance(answer, StatePieces)
    assert len(answer.paths) == 2


def test_st_3_pieces_that_were_not_asked_for_change_nothing() -> None:
    """Not even right ones."""
    group = Group(4, SMALL)
    group.open_session()
    for message, pieces in (
        (StatePieces(4, (), 2), (b"root", b"digest")),
        (StatePieces(4, ((0,),), 2), (b"leaf",)),
    ):
        assert group.refusal(1, 2, message, pieces) == "nothing is missing"


@pytest.mark.parametrize(
    ("paths", "pieces"),
    [
        ((), (b"junk", WRONG)),
        ((), (b"\x93\x00\xc4\x20" + WRONG + b"\x80", WRONG)),
        ((), (b"",)),
        ((), ()),
        (((0,),), ()),
        (((0,), (1,)), (b"one",)),
        (((5, 5, 5),), (b"never asked",)),
        (((),), (b"wrong root",)),
    ],
)
def test_st_3_pieces_that_prove_nothing_are_not_used(
    paths: tuple[tuple[int, ...], ...], pieces: tuple[bytes, ...]
) -> None:
    """Facts 4.4: each node "is accepted only if its digest equals" what is vouched for; the fetch goes on, from
    others."""
    group, session = far_behind()
    group.reaches = lambda sender, receiver, message: not isinstance(message, StatePieces)
    group.advance(2500)
    core = group.core(2)
    assert core.transfer is not None
    before = state_of(core)
    number = core.transfer.sequence_number
    opened = group.authenticators[2].open(group.authenticators[3].seal(StatePieces(number, paths, 3), pieces, 2))
    group.replicas[2].receive(opened, group.now, group.wall)
    assert state_of(core) == before
    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)
    assert total_of(group.services[2]) == 39
    group.submit(group.request((b"add 1",), session, 40))
    assert total_of(group.services[2]) == 40


def test_st_4_the_log_goes_on_from_what_was_fetched() -> None:
    """Facts 4.5: last executed := c, requests that it covers leave the queue, CHECKPOINT for c is sent, the window
    moves."""
    group, session = far_behind()
    core = group.core(2)
    group.reaches = lambda sender, receiver, message: receiver != 0 or sender != 2
    group.receive(2, group.request((b"add 1",), session, 39))
    group.reaches = lambda sender, receiver, message: True
    assert len(core.waiting) == 1
    group.advance(4000)
    assert (core.last_executed, core.log.low_watermark, core.transfer) == (40, 40, None)
    assert list(core.checkpoints.held) == [40]
    assert len(core.waiting) == 0
    assert core.tables.digest() == group.core(0).tables.digest()
    own = {message for sender, message in group.sent if sender == 2 and isinstance(message, Checkpoint)}
    assert {message.sequence_number for message in own} == {40}
    kept = [record for record in group.records[2] if isinstance(record, CheckpointRecord | StableRecord)]
    assert [type(record) for record in kept] == [CheckpointRecord, StableRecord]
    # It takes part again: with replica 3 down, nothing goes without it. (It had left view 0 for what it missed.)
    group.stopped.add(3)
    group.submit(group.request((b"add 1",), session, 40))
    group.advance(2500)
    assert [total_of(group.services[number]) for number in (0, 1, 2)] == [40] * 3


def test_st_4_a_replica_that_fetched_restarts_from_what_it_fetched() -> None:
    """What was installed is on disk before anything says so."""
    group, session = far_behind()
    group.advance(4000)
    group.submit(group.request((b"add 1",), session, 40))
    group.restart(2)
    group.advance(2000)
    assert total_of(group.services[2]) == 40
    assert group.core(2).log.low_watermark == 40

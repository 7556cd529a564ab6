"""The message log: windows, the bound of Q, bodies, history (facts 2.3; GC-1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.log import HISTORY_BYTES_MAX, MessageLog, OpenBatch, open_batch
from quorate.core.quorum import quorums_of
from quorate.errors import InvariantViolation, MalformedMessage
from quorate.messages.codec import encode_batch
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Batch

X, Y = b"x" * 32, b"y" * 32


def a_log() -> MessageLog:
    return MessageLog(8, quorums_of(4))


def batch(time: int) -> OpenBatch:
    return open_batch(encode_batch(Batch(time, ())))


def test_the_window_is_above_h_up_to_h_plus_l() -> None:
    """Facts 1.9: h < n <= H, not h <= n."""
    log = a_log()
    log.move_low_watermark(8)
    assert [number for number in range(30) if log.in_window(number)] == list(range(9, 17))
    assert log.high_watermark == 16


def test_q_keeps_the_newest_digests_of_a_number() -> None:
    """Facts 2.3: the last and the f + 2 before it; a digest that is named again is the newest."""
    log = a_log()
    digests = [bytes([number]) * 32 for number in range(6)]
    for view, digest in enumerate(digests):
        log.note_pre_prepared(1, digest, view)
    assert list(log.pre_prepared_claims[1]) == digests[2:]
    log.note_pre_prepared(1, digests[2], 9)
    log.note_pre_prepared(1, X, 10)
    assert log.pre_prepared_claims[1] == {digests[4]: 4, digests[5]: 5, digests[2]: 9, X: 10}


def test_a_body_is_kept_as_long_as_any_number_needs_it() -> None:
    """Architecture: bodies of every digest in P or Q are kept until h passes them."""
    log = a_log()
    body = batch(5)
    assert log.hold(body, 3)
    assert not log.hold(body, 2)
    assert log.hold(body, 6)
    log.move_low_watermark(5)
    assert log.batch(body.digest) == body
    log.move_low_watermark(6)
    assert log.batch(body.digest) is None


def test_the_null_body_is_always_there() -> None:
    log = a_log()
    null = log.batch(NULL_DIGEST)
    assert null is not None
    assert (null.time, null.requests) == (0, ())


def test_history_is_bounded_by_numbers_and_bytes() -> None:
    """What is kept below h for laggards is at most a window of decided digests, and their bodies are bounded."""
    log = a_log()
    for number in range(1, 40):
        if not log.in_window(number):
            log.move_low_watermark(number - 1)
        body = batch(number)
        log.hold(body, number)
        log.slot(number).decided = body.digest
    log.move_low_watermark(39)
    assert list(log.history) == list(range(32, 40))
    assert set(log.batches) == set(log.history.values())
    assert log._history_bytes == sum(len(batch(number).data) for number in log.history)
    big = OpenBatch(X, 1, (), (), (), bytes(HISTORY_BYTES_MAX + 1))
    log.hold(big, 40)
    log.slot(40).decided = X
    log.move_low_watermark(40)
    assert log.history == {}
    assert log._history_bytes == 0


def test_a_choice_fills_the_slots_of_the_window_once() -> None:
    """NV-7."""
    log = a_log()
    log.choose(10, {2: (X, b"p"), 10: (Y, b"")})
    assert log.admit_chosen() == [2]
    assert (log.slot(2).digest, log.slot(2).proposal, log.highest_proposed) == (X, b"p", 2)
    assert log.admit_chosen() == []
    log.move_low_watermark(4)
    assert log.admit_chosen() == [10]
    log.slot(10).digest = None
    log.slot(10).decided = log.slot(10).committed = X
    with pytest.raises(InvariantViolation, match="keeps what committed"):
        log.admit_chosen()


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x92\x00\x91\xc4\x01x", encode_batch(Batch(0, (b"",)))])
def test_a_batch_that_is_none(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        open_batch(data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 4), st.booleans()), max_size=60))
def test_nothing_outlives_the_low_watermark(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever is noted and held, and however h moves: slots, P and Q lie in the window, bodies are needed by one."""
    log = a_log()
    for number, value, moves in steps:
        if moves and number > log.low_watermark:
            log.move_low_watermark(min(number, log.high_watermark))
        elif log.in_window(number):
            body = batch(value)
            log.slot(number).decided = body.digest
            log.note_pre_prepared(number, body.digest, value)
            log.hold(body, number)
        assert all(log.in_window(at) for at in [*log.slots, *log.pre_prepared_claims])
        assert len(log.slots) <= log.window
        needed = set(log.history.values())
        assert all(held.sequence_number > log.low_watermark or d in needed for d, held in log.batches.items())
        for at, slot in log.slots.items():
            assert log.decided_digest(at) == slot.decided

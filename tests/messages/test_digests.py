"""Digests: of what is ordered, and of nothing that passes for something else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.messages.codec import encode_batch
from quorate.messages.digests import DIGEST_BYTES, NULL_BATCH, NULL_DIGEST, batch_digest, request_digest
from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    DecidedRecord,
    Forget,
    PreparedRecord,
    PrePreparedRecord,
    StableRecord,
    ViewRecord,
)

times = st.integers(0, 2**63 - 1)
digest_lists = st.lists(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES), max_size=4)


@settings(deadline=None)
@given(times, digest_lists, times, digest_lists)
def test_different_contents_have_different_digests(
    one_time: int, one: list[bytes], other_time: int, other: list[bytes]
) -> None:
    """The time, which requests, and their order are all covered."""
    same = (one_time, one) == (other_time, other)
    assert (batch_digest(one_time, one) == batch_digest(other_time, other)) is same


@settings(deadline=None)
@given(st.binary(max_size=200), times, digest_lists)
def test_a_request_is_no_batch(payload: bytes, time: int, digests: list[bytes]) -> None:
    """A digest says what kind of thing it is of, whatever bytes a client chooses."""
    assert request_digest(payload) != batch_digest(time, digests)
    covered = b"quorate batch" + time.to_bytes(8, "big") + b"".join(digests)
    assert request_digest(covered) != batch_digest(time, digests)


def test_the_end_of_time_has_a_digest() -> None:
    """The largest time that decodes can be hashed."""
    assert len(batch_digest(2**63 - 1, [])) == DIGEST_BYTES


def test_the_null_request_is_an_empty_batch_of_time_zero() -> None:
    """OSDI'99 4.4: a special null request, equal at every replica."""
    assert batch_digest(0, []) == NULL_DIGEST
    assert encode_batch(NULL_BATCH) == b"\x92\x00\x90"
    assert batch_digest(1, []) != NULL_DIGEST


def test_records_replace_what_they_outdate_and_nothing_else() -> None:
    """Keys: Q one a digest, P one a number, one view, one stable checkpoint."""
    x, y = b"x" * 32, b"y" * 32
    assert PrePreparedRecord(1, x, 0, b"").key() == PrePreparedRecord(1, x, 5, b"f").key()
    assert PrePreparedRecord(1, x, 0, b"").key() != PrePreparedRecord(1, y, 0, b"").key()
    assert PreparedRecord(1, x, 0, ()).key() == PreparedRecord(1, y, 5, ()).key()
    assert ViewRecord(1, True, b"").key() == ViewRecord(2, False, b"").key()
    assert StableRecord(1, x, ()).key() == StableRecord(2, y, ()).key()
    assert BatchRecord(1, x, b"").key() == BatchRecord(2, x, b"").key()
    assert CheckpointRecord(1, x, x, b"").key() != CheckpointRecord(2, x, x, b"").key()
    assert DecidedRecord(1, x).key() == DecidedRecord(1, x).key()
    keys = [
        PrePreparedRecord(1, x, 0, b"").key(),
        PreparedRecord(1, x, 0, ()).key(),
        DecidedRecord(1, x).key(),
        BatchRecord(1, x, b"").key(),
        ViewRecord(1, True, b"").key(),
        CheckpointRecord(1, x, x, b"").key(),
        StableRecord(1, x, ()).key(),
        Forget(1).key(),
    ]
    assert len(set(keys)) == len(keys)

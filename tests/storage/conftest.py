"""Folders and owners of journals, and records to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.messages.records import (
    BatchRecord,
    CheckpointRecord,
    DecidedRecord,
    Forget,
    PreparedRecord,
    PrePreparedRecord,
    Record,
    StableRecord,
    ViewRecord,
)
from quorate.storage.log_file import Owner


@pytest.fixture
def owner() -> Owner:
    """A replica."""
    return Owner(b"c" * 16, b"i" * 16, b"p" * 32)


@pytest.fixture
def turns() -> list[list[Record]]:
    """What a replica keeps in a few turns: small and large groups, records that are replaced and forgotten."""
    digests = [bytes([number]) * 32 for number in range(8)]
    return [
        [BatchRecord(1, digests[1], b"batch" * 300), PrePreparedRecord(1, digests[1], 0, b"frame")],
        [PreparedRecord(1, digests[1], 0, (b"one", b"two"))],
        [DecidedRecord(1, digests[1]), ViewRecord(1, True, b"view change")],
        [PrePreparedRecord(2, digests[2], 1, b""), PrePreparedRecord(2, digests[3], 2, b"frame")],
        [CheckpointRecord(1, digests[4], digests[5], b"tables"), StableRecord(1, digests[4], (b"a", b"b"))],
        [Forget(1), ViewRecord(2, False, b"new view")],
        [PreparedRecord(2, digests[3], 2, ())],
    ]


class Damages:
    """Ways to damage a file in place, one after the other. Tests cannot import them, so a fixture hands them out."""

    @staticmethod
    def flipped(path: Path, bits: int) -> Iterator[int]:
        """Every byte in turn is another."""
        whole = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            for offset, byte in enumerate(whole):
                file.seek(offset)
                file.write(bytes([byte ^ bits]))
                yield offset
                file.seek(offset)
                file.write(bytes([byte]))

    @staticmethod
    def shortened(path: Path) -> Iterator[int]:
        """Every length from one less than the present one down to nothing."""
        for length in reversed(range(path.stat().st_size)):
            with path.open("r+b", buffering=0) as file:
                file.truncate(length)
            yield length


@pytest.fixture
def damages() -> type[Damages]:
    """The functions above."""
    return Damages

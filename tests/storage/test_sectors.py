"""Sectors: what was written is read, whatever else there is, and any bytes are read without a surprise."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quorate.storage.log_file import VOTES, Owner, read_log_file
from quorate.storage.sectors import SECTOR, decode_sectors, encode_group

FILE = 7
END = bytes(SECTOR)


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_groups_come_back(groups: list[bytes]) -> None:
    data = b"".join(encode_group(FILE, number, number - 1, group) for number, group in enumerate(groups, 1))

    assert decode_sectors(FILE, data + END) == (list(enumerate(groups, 1)), None)


@given(st.lists(st.binary(min_size=1, max_size=1500), min_size=1, max_size=4), st.data())
def test_of_an_end_that_was_not_synced_any_part_may_be_there(groups: list[bytes], data: st.DataObject) -> None:
    """Nobody waited for the last groups. What was synced is found, and no group after one that is not there."""
    synced = data.draw(st.integers(0, len(groups)))
    written = [encode_group(FILE, n, min(n - 1, synced), group) for n, group in enumerate(groups, 1)]
    kept = b"".join(written[:synced])
    loose = b"".join(written[synced:])
    for start in range(0, len(loose), SECTOR):
        kept += loose[start : start + SECTOR] if data.draw(st.booleans()) else END

    found, damage = decode_sectors(FILE, kept + END)

    assert damage is None
    assert len(found) >= synced
    assert found == list(enumerate(groups, 1))[: len(found)]


@given(st.binary(max_size=3 * SECTOR), st.integers(0, 3))
def test_a_client_cannot_write_a_group_of_its_own(inside: bytes, shift: int) -> None:
    """What a client sends may look like sectors, and a part of it may come to lie where one could begin."""
    forged = b"x" * (16 * shift) + encode_group(FILE, 2, 1, inside)
    data = encode_group(FILE, 1, 0, forged)

    found, _ = decode_sectors(FILE, data[SECTOR:] + END)

    assert found == []


@given(st.binary(max_size=4 * SECTOR))
def test_any_bytes_are_read_without_a_surprise(data: bytes) -> None:
    groups, damage = decode_sectors(FILE, data)

    assert groups == []
    assert damage is not None or not any(data)


def test_any_file_is_read_without_a_surprise(tmp_path: Path) -> None:
    path = tmp_path / "votes.log"

    @given(st.binary(max_size=3 * SECTOR))
    def read(data: bytes) -> None:
        path.write_bytes(data)
        groups, damage = read_log_file(path, VOTES, Owner(b"c" * 16, b"i" * 16, b"p" * 32))
        assert groups == []
        assert damage is not None

    read()

"""Groups of bytes in checksummed sectors, so that whoever reads them can tell torn from rotten. Pure.

A file is a row of sectors that are zero until they are written, each once. A group (what one commit writes) fills whole
sectors; each carries its own checksum, the file's number, the group's, its place in the group, and up to which group
everything was known to be on disk by then. So after a crash

- a last group of which some sectors are still zero was *torn*: its commit had not ended, nothing depends on it;
- a sector that is neither zero nor what its checksum says is *rotten*, wherever it stands;
- a group that is not whole although a later one says that it was on disk was *lost*;
- a file that does not end in a zero sector was *cut off*: room is made before a group is written, with one to spare.

A disk writes 512 bytes whole or not at all, so sectors of that size are never half there. Larger ones cost less to
read and write; they may be, and then count as rotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

SECTOR: Final = 512
_HEADER: Final = Struct(">IIQQII")
_CHECKSUM_BYTES: Final = 4
_LENGTH_BYTES: Final = 4


class Sector(NamedTuple):
    """One sector as it was written."""

    group: int
    known: int
    """All groups up to this one were on disk when the sector was written."""
    place: int
    """How many sectors of the group come before it."""
    left: int
    """Sectors of the same group that follow."""
    data: bytes


class Contents(NamedTuple):
    """What a file was found to hold."""

    groups: list[tuple[int, bytes]]
    """The whole groups, with their numbers. Without damage they are all that were ever promised, without a gap."""
    damage: str | None
    """What is wrong, if something that was promised is not there."""


def encode_group(file: int, group: int, known: int, data: bytes, size: int = SECTOR) -> bytes:
    """The sectors of a group, each of *size* bytes."""
    body = len(data).to_bytes(_LENGTH_BYTES, "big") + data
    room = size - _HEADER.size
    last = (len(body) - 1) // room
    sectors = []
    for index in range(last + 1):
        piece = body[index * room : (index + 1) * room].ljust(room, b"\0")
        sector = _HEADER.pack(0, file, group, known, index, last - index) + piece
        sectors.append(crc32(sector[_CHECKSUM_BYTES:]).to_bytes(_CHECKSUM_BYTES, "big") + sector[_CHECKSUM_BYTES:])
    return b"".join(sectors)


def decode_sectors(file: int, data: bytes, size: int = SECTOR) -> Contents:
    """The groups in *data*, which are the sectors of a file from its first group on."""
    sectors: list[Sector | None] = []
    rotten: list[int] = []
    view = memoryview(data)
    zeros = bytes(size)
    for start in range(0, len(data), size):
        raw = bytes(view[start : start + size])
        sector = None if raw == zeros else _decode_sector(file, raw, size)
        if isinstance(sector, str):
            rotten.append(start // size)
            sector = None
        sectors.append(sector)
    damage = f"{len(rotten)} rotten sectors, the first is number {rotten[0] + 1}" if rotten else None
    groups = list(_whole_groups(sectors))
    damage = damage or _what_is_missing(sectors, [number for number, _ in groups])
    if damage is None and (len(data) % size or not data or sectors[-1] is not None):
        damage = "its end was cut off"
    if damage is None:
        # Groups that nobody waited for may be there behind one that is not: they build on it, and do not count.
        groups = [(number, group) for place, (number, group) in enumerate(groups, 1) if number == place]
    return Contents(groups, damage)


def is_sector(file: int, raw: bytes) -> bool:
    """Whether this is a sector of the file as it was written."""
    is_whole = crc32(memoryview(raw)[_CHECKSUM_BYTES:]) == int.from_bytes(raw[:_CHECKSUM_BYTES], "big")
    return is_whole and _HEADER.unpack_from(raw)[1] == file


def _decode_sector(file: int, raw: bytes, size: int) -> Sector | str:
    """A sector that was written, or what is wrong."""
    if len(raw) < size or crc32(raw[_CHECKSUM_BYTES:]) != int.from_bytes(raw[:_CHECKSUM_BYTES], "big"):
        return "rotten"
    _, own, group, known, place, left = _HEADER.unpack_from(raw)
    return Sector(group, known, place, left, raw[_HEADER.size :]) if own == file else "of another file"


def _whole_groups(sectors: list[Sector | None]) -> Iterator[tuple[int, bytes]]:
    """The groups of which all sectors are there, in their places."""
    for start, first in enumerate(sectors):
        if first is None or first.place > 0:
            continue
        row = sectors[start : start + first.left + 1]
        places = [(sector.group, sector.place, sector.left) for sector in row if sector is not None]
        if places == [(first.group, place, first.left - place) for place in range(first.left + 1)]:
            body = b"".join(sector.data for sector in row if sector is not None)
            length = int.from_bytes(body[:_LENGTH_BYTES], "big")
            yield first.group, body[_LENGTH_BYTES : _LENGTH_BYTES + length]


def _what_is_missing(sectors: list[Sector | None], whole: list[int]) -> str | None:
    """The first group that was on disk and is not there whole, in words."""
    found = [sector for sector in sectors if sector is not None]
    known = max((sector.known for sector in found), default=0)
    if whole != sorted(set(whole)):
        return "groups stand where they do not belong"
    missing = next((number for number in range(1, known + 1) if number not in set(whole)), None)
    return None if missing is None else f"group {missing} is not whole, though it had been written"

"""Commands on strings as arrays of bits, the most significant bit of the first byte first."""

from __future__ import annotations

from quorate.services.redis.arguments import integer_argument, substring_of
from quorate.services.redis.command import Call, Command, Kind
from quorate.services.redis.errors import SYNTAX, CommandError
from quorate.services.redis.limits import LONGEST_STRING
from quorate.services.redis.numbers import parse_integer
from quorate.services.redis.reply import ONE, ZERO, integer

_BIT_OFFSET = "ERR bit offset is not an integer or out of range"
_BIT_VALUE = "ERR bit is not an integer or out of range"


def _offset_argument(text: bytes) -> int:
    offset = parse_integer(text)
    if offset is None or not 0 <= offset < LONGEST_STRING * 8:
        raise CommandError(_BIT_OFFSET)
    return offset


def setbit(call: Call, arguments: list[bytes]) -> bytes:
    """SETBIT key offset value"""
    _, key, place, bit = arguments
    offset = _offset_argument(place)
    if bit not in (b"0", b"1"):
        raise CommandError(_BIT_VALUE)
    value = bytearray((call.database.read(key, bytes) or b"").ljust(offset // 8 + 1, b"\0"))
    mask = 0x80 >> offset % 8
    before = value[offset // 8] & mask
    if bit == b"1":
        value[offset // 8] |= mask
    else:
        value[offset // 8] &= ~mask
    call.database.replace(key, bytes(value))
    return ONE if before else ZERO


def getbit(call: Call, arguments: list[bytes]) -> bytes:
    """GETBIT key offset"""
    offset = _offset_argument(arguments[2])
    value = call.database.read(arguments[1], bytes) or b""
    is_set = offset // 8 < len(value) and value[offset // 8] & (0x80 >> offset % 8)
    return ONE if is_set else ZERO


def bitcount(call: Call, arguments: list[bytes]) -> bytes:
    """BITCOUNT key [start end [BYTE | BIT]]"""
    value = call.database.read(arguments[1], bytes)
    if value is None:
        return ZERO
    if len(arguments) == 2:
        return integer(_ones(value))
    if len(arguments) not in (4, 5):
        raise CommandError(SYNTAX)
    start, end = integer_argument(arguments[2]), integer_argument(arguments[3])
    unit = arguments[4].upper() if len(arguments) == 5 else b"BYTE"
    if unit not in (b"BYTE", b"BIT"):
        raise CommandError(SYNTAX)
    if unit == b"BYTE":
        return integer(_ones(value[slice(*substring_of(start, end, len(value)))]))
    first, stop = substring_of(start, end, len(value) * 8)
    whole = int.from_bytes(value[first // 8 : -(-stop // 8)])
    behind = -stop % 8
    return integer(((whole >> behind) & ((1 << (stop - first)) - 1)).bit_count())


def _ones(value: bytes) -> int:
    return int.from_bytes(value).bit_count()


COMMANDS: list[Command] = [
    Command("bitcount", bitcount, -2, Kind.READ),
    Command("getbit", getbit, 3, Kind.READ),
    Command("setbit", setbit, 4, Kind.WRITE),
]

"""Numbers as redis-server 7.0 reads and writes them, with the same results on every machine.

Scores are IEEE doubles, whose arithmetic and decimal forms are defined to the bit. INCRBYFLOAT uses C's long double,
which differs between machines; here it is the 80-bit format of x86 (64 bits of significand), computed exactly.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import inf, isinf

INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1
_LONGEST_INTEGER = 20
_LONGEST_FLOAT = 5 * 1024 - 1
_DIGITS_A_PIECE = 500

_FLOAT = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_HEXADECIMAL = re.compile(rb"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]{1,6})?\Z")
_INFINITY = re.compile(rb"([+-]?)inf(?:inity)?\Z", re.IGNORECASE)

_SIGNIFICAND_BITS = 64
_LARGEST_EXPONENT = 16383
_SMALLEST_SHIFT_EXPONENT = 16382 + _SIGNIFICAND_BITS - 1
_LARGEST_DECIMAL_EXPONENT = 4933
_SMALLEST_DECIMAL_EXPONENT = -4952


def parse_integer(text: bytes) -> int | None:
    """A 64-bit integer in its one canonical form: no plus sign, no leading zeros, no spaces."""
    if len(text) > _LONGEST_INTEGER:
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    return number if b"%d" % number == text and INTEGER_MIN <= number <= INTEGER_MAX else None


def parse_double(text: bytes) -> float | None:
    """A double, infinities included; None for text that is none, for not-a-number and for what is out of range."""
    if _FLOAT.match(text):
        value = float(text)
        # As strtod with ERANGE: neither infinity nor zero may come of a finite number that is neither.
        return None if isinf(value) or (value == 0 and not is_zero(text)) else value
    if found := _INFINITY.match(text):
        return -inf if found[1] == b"-" else inf
    if _HEXADECIMAL.match(text):
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return None
    return None


def parse_double_loosely(text: bytes) -> float | None:
    """A double as C's strtod finds it at the beginning of a string: nothing is 0, what is too large is infinite."""
    if not (text := text.partition(b"\0")[0]):
        return 0.0
    text = text.lstrip(b" \t\n\v\f\r")
    return float(text) if _FLOAT.match(text) else parse_double(text)


def is_zero(text: bytes) -> bool:
    """Whether a decimal number has no digit but zeros before its exponent."""
    return not text.lower().partition(b"e")[0].strip(b"+-0.")


def parse_long_double(text: bytes) -> Fraction | float | None:
    """The nearest 80-bit number, an infinity, or None for text that is no number in range."""
    if len(text) > _LONGEST_FLOAT:
        return None
    if found := _INFINITY.match(text):
        return -inf if found[1] == b"-" else inf
    if _HEXADECIMAL.match(text):
        exact = parse_double(text)
        return None if exact is None else Fraction(exact)
    if not _FLOAT.match(text):
        return None
    if is_zero(text):
        return Fraction(0)
    try:
        decimal = Decimal(text.decode())
    except InvalidOperation:  # an exponent of more than eighteen digits
        return None
    if not _SMALLEST_DECIMAL_EXPONENT <= decimal.adjusted() <= _LARGEST_DECIMAL_EXPONENT:
        return None
    return round_long_double(Fraction(decimal)) or None


def round_long_double(value: Fraction) -> Fraction | None:
    """The 80-bit number nearest to *value*, ties to even; None when that is infinite."""
    if not value:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    shift = min(_SIGNIFICAND_BITS - 1 - exponent, _SMALLEST_SHIFT_EXPONENT)
    rounded = Fraction(round(value * Fraction(2) ** shift)) / Fraction(2) ** shift
    return rounded if abs(rounded) < Fraction(2) ** (_LARGEST_EXPONENT + 1) else None


def _decimal(number: int) -> str:
    """Decimal digits. Python refuses to write very large integers in one piece, from a limit on that can be set."""
    high, low = divmod(number, 10**_DIGITS_A_PIECE)
    return f"{_decimal(high)}{low:0{_DIGITS_A_PIECE}d}" if high else str(low)


def format_long_double(value: Fraction) -> bytes:
    """As C's "%.17Lf", without the zeros at the end."""
    digits = round(abs(value) * 10**17)
    whole, fraction = divmod(digits, 10**17)
    text = f"{_decimal(whole)}.{fraction:017d}".rstrip("0").rstrip(".")
    return f"-{text}".encode() if value < 0 and digits else text.encode()

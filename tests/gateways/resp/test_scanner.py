"""The scanner: the same commands for every split of the stream, and one error at most for any bytes."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import ConfigurationError
from quorate.gateways.resp.forms import SPECIAL_NAMES
from quorate.gateways.resp.limits import (
    LINE_BYTES_MAX,
    SHORT_ARGUMENT_BYTES,
    SHORT_ARGUMENTS,
    SHORT_COMMAND_BYTES,
    ScanLimits,
)
from quorate.gateways.resp.plain import NAME_BYTES_MAX, compile_plain_run
from quorate.gateways.resp.scanner import Scanner, split_arguments
from quorate.gateways.resp.scanner import split_commands as split_canonical
from quorate.services.redis.operation import encode_command

SMALL = ScanLimits(command_bytes=5000, argument_bytes=4985, arguments=40)

names = st.sampled_from([b"GET", b"set", b"Ping", b"MULTI", b"exec", b"select", b"cLiEnT", b"", b"x" * 25])
values = st.binary(max_size=12) | st.integers(0, 300).map(lambda size: b"v" * size)
commands = st.builds(lambda name, rest: [name, *rest], names, st.lists(values, max_size=10))


def scan_all(pieces: list[bytes], limits: ScanLimits = SMALL) -> tuple[list[bytes], bytes | None]:
    """What a connection would see: every command as raw bytes, and the reason of the error at the end."""
    scanner = Scanner(SPECIAL_NAMES, limits)
    found: list[bytes] = []
    for piece in pieces:
        scanner.feed(piece)
        while True:
            if run := scanner.take_run(1 << 20):
                found += split_commands(run)
            command = scanner.peek()
            if command is None:
                break
            if command.refusal:
                found.append(command.name + b" is refused: " + command.refusal)
                scanner.consume()
                continue
            assert command.name in SPECIAL_NAMES
            assert command.name == command.arguments()[0].lower()
            found.append(command.raw)
            scanner.consume()
        assert scanner.buffered_bytes <= limits.command_bytes + LINE_BYTES_MAX + 2 + len(piece)
    return found, scanner.error.reason if scanner.error else None


def split_commands(run: bytes) -> list[bytes]:
    """The commands of a run, one by one, found by a scanner for which every command is special."""
    one_by_one = Scanner(SPECIAL_NAMES)
    one_by_one.feed(run)
    found = []
    while command := one_by_one.peek():
        found.append(command.raw)
        one_by_one.consume()
    assert len(found) == len(split_canonical(run))
    assert b"".join(found) == run
    return found


def split_at(stream: bytes, places: list[int]) -> list[bytes]:
    """*stream* in pieces."""
    cuts = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(cuts) if end > start]


@given(st.lists(commands, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_commands_come_out_as_they_went_in(sent: list[list[bytes]], places: list[int]) -> None:
    stream = b"".join(map(encode_command, sent))

    found, error = scan_all(split_at(stream, places), ScanLimits())

    assert [split_arguments(raw) for raw in found] == sent
    assert error is None


FRAGMENTS = (
    "*1\r\n|*2\r\n|*0\r\n|*-1\r\n|$4\r\nPING\r\n|$1\r\nx\r\n|*3\rx|$1\rxyab|PING 'a'\r\n|*1\r\n$4\r\nEXEC\r\n|SET a b\n"
    '|\r\n|\n|*|$|\r|\0|9|-|"| '
)
fragments = st.sampled_from([fragment.encode() for fragment in FRAGMENTS.split("|")])


@given(
    st.lists(fragments | st.binary(max_size=6), max_size=20).map(b"".join), st.lists(st.integers(0, 10_000), max_size=8)
)
def test_any_bytes_in_any_pieces_give_the_same_commands_and_the_same_error(stream: bytes, places: list[int]) -> None:
    whole = scan_all([stream])

    assert scan_all(split_at(stream, places)) == whole
    assert scan_all([stream[i : i + 1] for i in range(len(stream))]) == whole


sizes = st.sampled_from([0, 1, 254, 255, 256, 257, 2000, 4980, 4990, 5000, 5001])
large_commands = st.builds(
    lambda name, sizes, padding: [name, *(b"v" * size for size in sizes), *[b""] * padding],
    names,
    st.lists(sizes, max_size=3),
    st.sampled_from([0, 1, 6, 7, 36, 37, 38, 39, 40, 41]),
)


@given(st.lists(large_commands, max_size=4), st.lists(st.integers(0, 30_000), max_size=6))
def test_near_the_limits_too(sent: list[list[bytes]], places: list[int]) -> None:
    stream = b"".join(map(encode_command, sent))

    assert scan_all(split_at(stream, places)) == scan_all([stream])


def test_limits_leave_room_for_every_short_command() -> None:
    longest = encode_command([b"n" * NAME_BYTES_MAX, *[b"v" * SHORT_ARGUMENT_BYTES] * (SHORT_ARGUMENTS - 1)])

    assert len(longest) <= SHORT_COMMAND_BYTES
    for refused in (
        {"command_bytes": SHORT_COMMAND_BYTES - 1},
        {"argument_bytes": SHORT_ARGUMENT_BYTES - 1},
        {"arguments": SHORT_ARGUMENTS - 1},
    ):
        with pytest.raises(ConfigurationError):
            ScanLimits(**refused)


@given(st.lists(commands, min_size=1, max_size=5))
def test_the_pattern_of_plain_runs_agrees_with_the_loop(sent: list[list[bytes]]) -> None:
    stream = b"".join(map(encode_command, sent))
    plain = 0
    for arguments in sent:
        is_short = len(arguments) <= SHORT_ARGUMENTS and all(
            len(value) <= SHORT_ARGUMENT_BYTES for value in arguments[1:]
        )
        if not is_short or len(arguments[0]) > NAME_BYTES_MAX or arguments[0].lower() in SPECIAL_NAMES:
            break
        plain += len(encode_command(arguments))

    match = compile_plain_run(SPECIAL_NAMES).match(stream)

    assert match is not None
    assert match.end() == plain


@pytest.mark.parametrize("size", [*range(SHORT_ARGUMENT_BYTES + 3), 999, 1000, 70_000])
def test_arguments_of_every_size_are_stepped_over(size: int) -> None:
    value = bytes(random.Random(size).choices(b"\r\n$*0123456789a", k=size))
    stream = encode_command([b"SET", b"key", value]) * 2

    assert scan_all([stream], ScanLimits())[0] == [stream[: len(stream) // 2]] * 2


@pytest.mark.parametrize("damage", [b"$3\r\nab\r\n", b"$2\r\nabc\r\n", b"$02\r\nab\r\n", b"$2\nab\r\n"])
def test_the_pattern_does_not_take_what_is_not_exact(damage: bytes) -> None:
    match = compile_plain_run(SPECIAL_NAMES).match(b"*2\r\n$3\r\nGET\r\n" + damage)

    assert match is not None
    assert match.end() == 0


def test_line_ends_that_redis_does_not_look_at_become_canonical() -> None:
    found, error = scan_all([b"*2\rx$3\rxGETab$1\r\nkcd*1\r\n$4\r\nPING\r\n"])

    assert found == [encode_command([b"GET", b"k"]), encode_command([b"PING"])]
    assert error is None


def test_the_buffer_that_arrived_is_handed_on_uncopied() -> None:
    stream = encode_command([b"SET", b"key", b"value"]) * 3
    scanner = Scanner(SPECIAL_NAMES)

    scanner.feed(stream)

    assert scanner.take_run(1 << 20) is stream


def test_a_run_ends_soon_after_its_limit() -> None:
    command = encode_command([b"GET", b"key"])
    scanner = Scanner(SPECIAL_NAMES)
    scanner.feed(command * 100)

    sizes = []
    while run := scanner.take_run(10 * len(command) + 1):
        sizes.append(len(run) // len(command))

    assert sum(sizes) == 100
    assert set(sizes) <= {1, 11}


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"*41\r\n", b"invalid multibulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*2\r\n$5000\r\n" + b"x" * 5000 + b"\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*2\r\n$5000\r\n" + b"x" * 5000 + b"\r\n:1\r\n", b"expected '$', got ':'"),
        (b"x" * (LINE_BYTES_MAX + 1), b"too big inline request"),
        (b"*" + b"1" * LINE_BYTES_MAX, b"too big mbulk count string"),
        (b"*1\r\n$" + b"1" * LINE_BYTES_MAX, b"too big bulk count string"),
        (b"a\0b\n" + b"x" * LINE_BYTES_MAX, b"too big inline request"),
    ],
)
def test_beyond_a_limit_there_is_an_error(stream: bytes, reason: bytes) -> None:
    assert scan_all([encode_command([b"PING"]) + stream]) == ([encode_command([b"PING"])], reason)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (
            [b"SET", b"key", b"v" * 4986],
            b"set is refused: ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        ([b"v" * 4986], b" is refused: ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        (
            [b"MSET", *[b"v" * 2000] * 3, b"", *[b"v" * 9999] * 3],
            b"mset is refused: ERR quorate: the command is too large, the limit is 5000 bytes",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000, 4096, 1 << 20])
def test_a_command_that_is_too_large_is_read_to_its_end_and_forgotten(
    arguments: list[bytes], refusal: bytes, size: int
) -> None:
    ping, multi = encode_command([b"PING"]), encode_command([b"MULTI"])
    stream = ping + encode_command(arguments) + multi + encode_command(arguments) + ping
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]

    assert scan_all(pieces) == ([ping, refusal, multi, refusal, ping], None)


def test_a_large_command_in_many_pieces_comes_out_with_the_last() -> None:
    stream = encode_command([b"MSET", *(b"%d" % number for number in range(20_000))])
    scanner = Scanner(SPECIAL_NAMES)

    for start in range(0, len(stream), 1000):
        assert scanner.take_run(1) == b""
        scanner.feed(stream[start : start + 1000])

    assert scanner.take_run(1) == stream

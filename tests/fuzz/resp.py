"""Targets: the gateway's reading of RESP, and the Redis service under any operation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import hiredis

from fuzz.source import Source
from quorate.core.ports import Context
from quorate.errors import MalformedMessage, OperationFailed
from quorate.gateways.resp.connection import Connection
from quorate.gateways.resp.forms import SPECIAL_NAMES
from quorate.gateways.resp.limits import LINE_BYTES_MAX, ScanLimits
from quorate.gateways.resp.scanner import Scanner, split_commands
from quorate.gateways.resp.session import Roster
from quorate.gateways.resp.users import DEFAULT, User, Users
from quorate.services.redis import Pipeline, RedisService, Transaction, Versions, Watched, decode_operation
from quorate.services.redis.catalogue import COMMANDS
from quorate.services.redis.errors import CommandError
from quorate.services.redis.operation import encode_command, encode_operation
from quorate.services.redis.parser import CommandParser


class Unasked:
    """The connection calls nobody."""

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """Not called."""
        raise AssertionError(operation)


USERS = Users(User(DEFAULT, None, Unasked()))
LIMITS = ScanLimits(command_bytes=5000, arguments=40)
START = 1_800_000_000_000_000
BEFORE = Context(b"c" * 32, START - 1, bytes(32), 0)
NAMES = [name.encode() for name in COMMANDS]
OF_CONNECTIONS = [
    *(b"multi", b"exec", b"discard", b"watch", b"unwatch", b"select", b"hello", b"client", b"reset", b"quit", b"auth"),
    *(b"subscribe", b"debug", b"post"),
]
KEYS = [b"k", b"l", b"s", b"z", b"h", b"new"]
FILLED = [
    *([b"SET", b"k", b"10"], [b"RPUSH", b"l", b"1", b"2", b"x"], [b"SADD", b"s", b"1", b"2", b"x"]),
    *([b"ZADD", b"z", b"1", b"a", b"2", b"b", b"2", b"c"], [b"HSET", b"h", b"f", b"1", b"g", b"x"]),
]
"""A key of each type."""
WORDS = [
    *(
        b"k",
        b"l",
        b"s",
        b"z",
        b"h",
        b"",
        b"0",
        b"1",
        b"-1",
        b"2",
        b"10",
        b"9223372036854775807",
        b"-9223372036854775808",
    ),
    *(
        b"1.5",
        b"-inf",
        b"inf",
        b"nan",
        b"1e400",
        b"(1",
        b"[a",
        b"-",
        b"+",
        b"*",
        b"?[^a-",
        b"\\",
        b"ex",
        b"px",
        b"exat",
    ),
    *(b"nx", b"xx", b"gt", b"lt", b"ch", b"incr", b"get", b"keepttl", b"withscores", b"weights", b"aggregate", b"sum"),
    *(b"limit", b"count", b"match", b"type", b"rev", b"byscore", b"bylex", b"left", b"right", b"before", b"after"),
    *(
        b"and",
        b"or",
        b"xor",
        b"not",
        b"bit",
        b"byte",
        b"store",
        b"by",
        b"#",
        b"asc",
        b"desc",
        b"alpha",
        b"set",
        b"rank",
    ),
    *(
        b"maxlen",
        b"info",
        b"docs",
        b"list",
        b"skip",
        b"on",
        b"off",
        b"setname",
        b"id",
        b"kill",
        b"no-evict",
        b"\xff\x00",
    ),
]


def scanner(data: bytes) -> None:
    """Commands on a stream: the same ones however it was cut, and the same error at its end."""
    source = Source(data)
    cuts = [source.below(256) for _ in range(source.below(8))]
    stream = _stream(source)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert scanned([stream]) == scanned(pieces)


def scanned(pieces: list[bytes]) -> tuple[bytes, int, bytes | None]:
    """All commands of a stream, how many they are, and the reason of the error at its end."""
    reader = Scanner(SPECIAL_NAMES, LIMITS)
    found = b""
    for piece in pieces:
        reader.feed(piece)
        while True:
            found += reader.take_run(1 << 20)
            command = reader.peek()
            if command is None:
                break
            assert command.argument_count == len(command.arguments())
            found += command.raw
            reader.consume()
        assert reader.buffered_bytes <= LIMITS.command_bytes + LINE_BYTES_MAX + 2 + len(piece)
    if found:
        assert len(CommandParser().parse(found)) == len(split_commands(found))
    return found, len(split_commands(found)), reader.error.reason if reader.error else None


def connection(data: bytes) -> None:
    """A client of the gateway: it gets well-formed replies to every command, in RESP2 or RESP3, whatever it sends."""
    source = Source(data)
    fails = source.below(8) == 0
    roster = Roster(lambda: 0.0, USERS)
    session = roster.open("127.0.0.1:1", "127.0.0.1:2")
    client, service = Connection(session, roster, LIMITS), RedisService()
    service.execute(encode_operation(Pipeline(0, 2, b"".join(map(encode_command, FILLED)))), BEFORE)
    output, time = b"", START
    while not source.is_empty:
        client.receive_data(_stream(source, source.below(200)))
        while (operation := client.next_operation()) is not None or (more := client.take_output()):
            if operation is None:
                output += more
            elif fails:
                client.receive_failure(OperationFailed("as the test wants"))
            else:
                time += 1
                assert service.only_reads(operation) or not client.is_reading
                client.receive_result(service.execute(operation, Context(b"c" * 32, time, bytes(32), time)))
    output += client.take_output()
    replies(output)


def parser(data: bytes) -> None:
    """The bytes of an operation: commands of arguments, or one error."""
    with suppress(CommandError):
        for command in CommandParser().parse(data):
            assert command
            assert all(type(argument) is bytes for argument in command)
    with suppress(MalformedMessage):
        operation = decode_operation(data)
        assert decode_operation(encode_operation(operation)) == operation


def service(data: bytes) -> None:
    """Operations: two replicas answer with the same well-formed replies and come to the same state."""
    source = Source(data)
    one, two = RedisService(), RedisService()
    for replica in (one, two):
        replica.execute(encode_operation(Pipeline(0, 2, b"".join(map(encode_command, FILLED)))), BEFORE)
    for number in range(1, 13):
        operation = _operation(source)
        context = Context(b"c" * 32, START + number * source.choose((1, 10**6)), number.to_bytes(32, "big"), number)
        answer = one.query(operation, context) if source.below(4) == 0 else None
        result = one.execute(operation, context)
        assert two.execute(operation, context) == result
        assert answer is None or answer == result
        if isinstance(_decoded(operation), Pipeline | Transaction):
            replies(result)
        if source.is_empty:
            break
    assert digest_of(one) == digest_of(two)


def _decoded(operation: bytes) -> object:
    try:
        return decode_operation(operation)
    except MalformedMessage:
        return None


def digest_of(replica: RedisService) -> bytes:
    """The digest of all that a replica holds."""
    digest = replica.checkpoint(1000)
    while digest is None:
        digest = replica.digest(1000)
    return digest


def replies(data: bytes) -> int:
    """How many replies there are; nothing else may be among them."""
    reader, count = hiredis.Reader(notEnoughData=reader_is_empty), 0
    reader.feed(data)
    while reader.has_data():
        assert reader.gets() is not reader_is_empty, data
        count += 1
    return count


def reader_is_empty() -> None:
    """A value that no reply is."""


# ------------------------------------------------------------------------------------------------- what is sent


def _command(source: Source, is_connected: bool) -> list[bytes]:
    """A command that exists, most often with as many arguments as it needs at least and a key in the first place."""
    if is_connected and source.below(4) == 0:
        return [source.choose(OF_CONNECTIONS), *(source.choose(WORDS) for _ in range(source.below(3)))]
    name = source.choose(NAMES) if source.below(16) else source.piece(20)
    known = COMMANDS.get(name.decode("latin-1"))
    count = source.below(6) if known is None or source.below(8) == 0 else abs(known.arity) - 1 + source.below(4)
    words = [source.choose(WORDS) if source.below(8) else source.piece(40) for _ in range(count)]
    if words and source.below(4):
        words[0] = source.choose(KEYS)
    return [name, *words]


def _stream(source: Source, size_max: int = 1 << 12) -> bytes:
    """Commands, inline commands and bytes that are neither."""
    stream = b""
    while len(stream) < size_max and not source.is_empty:
        match source.below(8):
            case 0:
                stream += source.piece(64)
            case 1:
                stream += b" ".join(_command(source, True)) + source.choose((b"\r\n", b"\n"))
            case 2:
                stream += source.choose(
                    (b"*1\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$9999999999\r\n", b"*99999\r\n")
                )
            case _:
                stream += encode_command(_command(source, True))
    return stream


def _operation(source: Source) -> bytes:
    database, protocol = source.below(16), source.choose((2, 3))
    match source.below(8):
        case 0:
            return source.piece(64)
        case 1:
            return encode_operation(Pipeline(database, protocol, source.piece(64)))  # type: ignore[arg-type]
        case 2:
            return encode_operation(Versions([(database, source.choose(WORDS)) for _ in range(source.below(4))]))
        case 3:
            watched = [Watched(database, source.choose(WORDS), source.below(3)) for _ in range(source.below(2))]
            commands = b"".join(encode_command(_command(source, False)) for _ in range(source.below(4)))
            return encode_operation(Transaction(database, protocol, commands, watched))  # type: ignore[arg-type]
        case _:
            commands = b"".join(encode_command(_command(source, False)) for _ in range(1 + source.below(8)))
            return encode_operation(Pipeline(0, protocol, commands))  # type: ignore[arg-type]

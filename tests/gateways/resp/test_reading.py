"""Pipelines that only read are not ordered: which these are, and that no connection can tell the difference."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.ports import Context
from quorate.errors import PermissionDenied
from quorate.gateways.resp import ScanLimits, serve_redis
from quorate.gateways.resp.connection import Connection
from quorate.gateways.resp.forms import SPECIAL_NAMES
from quorate.gateways.resp.reading import only_reads
from quorate.gateways.resp.scanner import Scanner, encode_command
from quorate.gateways.resp.session import Roster
from quorate.gateways.resp.users import DEFAULT, User, Users
from quorate.services.redis import Pipeline, RedisService, decode_operation
from quorate.services.redis.catalogue import COMMANDS
from quorate.sim.linearizability import Call, is_linearizable, unexplained_prefix
from quorate.sim.register import ABSENT, DONE

StartGateway = Callable[..., AbstractContextManager[Any]]
GET = encode_command([b"GET", b"key"])
SET = encode_command([b"SET", b"key", b"value"])
LOOPBACK_ENDS = ("127.0.0.1:1", "127.0.0.1:2")


class Unasked:
    """Here the test stands in the place of the cluster."""

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        raise AssertionError(operation)


def new_connection() -> Connection:
    """A connection whose clock stands still."""
    roster = Roster(lambda: 0.0, Users(User(DEFAULT, None, Unasked())))
    return Connection(roster.open(*LOOPBACK_ENDS), roster, ScanLimits(command_bytes=100_000))


# Which pipelines only read

NAMES = [name.encode() for name in COMMANDS if name.encode() not in SPECIAL_NAMES] + [b"nosuch", b"g", b"getx", b""]
ARGUMENTS = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 600).map(lambda size: b"x" * size),
    st.sampled_from([b"get", b"\r\n$3\r\nget"]),
)


@st.composite
def _command(draw: st.DrawFn) -> list[bytes]:
    name = draw(st.sampled_from(NAMES))
    name = draw(st.sampled_from([name, name.upper(), name.title()]))
    return [name, *draw(st.lists(ARGUMENTS, max_size=10))]


def is_query(name: bytes) -> bool:
    """What the service's command table says."""
    command = COMMANDS.get(name.lower().decode("latin-1"))
    return command is not None and command.is_query


@settings(deadline=None)
@given(st.lists(_command(), min_size=1, max_size=8))
def test_a_run_only_reads_if_each_of_its_commands_is_a_query(commands: list[list[bytes]]) -> None:
    run = b"".join(map(encode_command, commands))
    assert only_reads(run) == all(is_query(arguments[0]) for arguments in commands)


def test_inline_commands_are_looked_at_too() -> None:
    scanner = Scanner(SPECIAL_NAMES)
    scanner.feed(b"get a\r\nMGET a b\r\n" + GET)
    assert only_reads(scanner.take_run(1 << 20))
    scanner.feed(b"get a\r\nincr a\r\n")
    assert not only_reads(scanner.take_run(1 << 20))


@pytest.mark.parametrize("words", ["TIME", "SRANDMEMBER s", "RANDOMKEY", "HRANDFIELD h", "ZRANDMEMBER z"])
def test_what_depends_on_time_or_chance_is_ordered(words: str) -> None:
    assert not only_reads(GET + encode_command(words.encode().split()))


# What a connection makes of them


def test_a_connection_says_what_only_reads() -> None:
    connection = new_connection()

    def kind(data: bytes, result: bytes) -> bool:
        connection.receive_data(data)
        assert connection.next_operation() is not None
        is_reading = connection.is_reading
        connection.receive_result(result)
        return is_reading

    assert kind(GET * 3, b"$-1\r\n" * 3)
    assert not kind(GET + SET, b"$-1\r\n+OK\r\n")
    assert kind(GET, b"$-1\r\n")
    assert kind(b"WATCH key\r\n", b"\x91\x00")
    assert not kind(b"MULTI\r\n" + GET + b"EXEC\r\n", b"*1\r\n$-1\r\n")
    assert kind(GET, b"$-1\r\n")


def test_what_a_read_only_client_sent_in_one_pipeline_is_looked_at_one_by_one() -> None:
    connection = new_connection()
    connection.receive_data(GET + SET + GET)
    connection.next_operation()
    connection.receive_failure(PermissionDenied("only reads"))
    kinds = []
    while connection.next_operation() is not None:
        kinds.append(connection.is_reading)
        if kinds[-1]:
            connection.receive_result(b"$-1\r\n")
        else:
            connection.receive_failure(PermissionDenied("only reads"))
    assert kinds == [True, False, True]


def test_what_is_no_query_after_all_is_ordered(
    start_gateway: StartGateway, talk: Callable[[int, bytes], bytes]
) -> None:
    """A key that expires: whether it is still there depends on the time."""
    with start_gateway() as gateway:
        sent = b"SET mortal x EX 1000\r\nSELECT 0\r\nGET mortal\r\nSELECT 0\r\nGET other\r\nSELECT 0\r\n" + GET + SET
        assert talk(gateway.port, sent) == b"+OK\r\n" * 2 + b"$1\r\nx\r\n+OK\r\n$-1\r\n+OK\r\n$-1\r\n+OK\r\n"
        queries = [decode_operation(operation) for operation in gateway.invoker.queries]
        assert queries == [Pipeline(0, 2, encode_command([b"GET", b"other"]))]


class Noting:
    """Notes what it was asked, and whether it only reads."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bool]] = []

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        decoded = decode_operation(operation)
        assert isinstance(decoded, Pipeline)
        self.asked.append((decoded.commands, only_reads))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        future.set_result(b"+OK\r\n")
        return future


def test_after_auth_the_users_own_client_asks() -> None:
    async def scenario() -> None:
        default, bob = Noting(), Noting()
        server = await serve_redis(default, "127.0.0.1", 0, users=[User(b"bob", b"secret", bob)])
        reader, writer = await asyncio.open_connection(*server.address)
        for sent in (GET, SET, encode_command([b"AUTH", b"bob", b"secret"]), SET, GET):
            writer.write(sent)
            assert await reader.readline() == b"+OK\r\n"
        writer.close()
        server.close()
        await server.wait_closed()
        assert default.asked == [(GET, True), (SET, False)]
        assert bob.asked == [(SET, False), (GET, True)]

    asyncio.run(scenario())


# Many connections, and a cluster that takes its time

OWN, SHARED = "own", ("x", "y")
Step = tuple[str, int, list[str]]
DEEDS = ["read own", "write own", "read x", "write x", "read y", "write y", "transaction", "ping"]
NOTHING = object()
STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 3), st.lists(st.sampled_from(DEEDS), min_size=1, max_size=5)),
    st.tuples(st.sampled_from(["execute", "answer"]), st.integers(0, 3), st.just([])),
)


class Expected(NamedTuple):
    """A reply that is to come."""

    moment: int
    """When its command was sent."""
    deed: str
    value: Any
    """What was written to a shared key; else the reply."""


class Asked:
    """An operation that is under way."""

    def __init__(self, index: int, operation: bytes, is_reading: bool) -> None:
        self.index, self.operation, self.is_reading = index, operation, is_reading
        self.result: bytes | None = None


class World:
    """Four connections on a cluster that executes an operation some time after it came, and answers later still."""

    def __init__(self) -> None:
        self.service = RedisService()
        self.connections = [new_connection() for _ in range(4)]
        self.readers = [hiredis.Reader(notEnoughData=NOTHING) for _ in range(4)]
        self.expected: list[list[Expected]] = [[] for _ in range(4)]
        self.own: list[bytes | None] = [None] * 4
        self.under_way: list[Asked] = []
        self.history: defaultdict[str, list[Call]] = defaultdict(list)
        self.moment = 0

    def send(self, index: int, deeds: list[str]) -> None:
        """A client writes several commands at once."""
        for deed in deeds:
            self.moment += 1
            verb, _, key = deed.partition(" ")
            value = b"%d" % self.moment
            name = b"own-%d" % index if key in (OWN, "") else key.encode()
            read, write = encode_command([b"GET", name]), encode_command([b"SET", name, value])
            mine = self.own[index]
            match verb:
                case "ping":
                    self._expect(index, b"PING\r\n", "own", b"PONG")
                case "transaction":
                    self._expect(index, b"MULTI\r\n", "own", b"OK")
                    self._expect(index, read, "own", b"QUEUED")
                    self._expect(index, write, "own", b"QUEUED")
                    self._expect(index, b"EXEC\r\n", "own", [mine, b"OK"])
                    self.own[index] = value
                case "read":
                    self._expect(index, read, deed, mine)
                case "write":
                    self._expect(index, write, deed, b"OK" if key == OWN else value)
                    self.own[index] = value if key == OWN else mine
        self._advance(index)

    def execute(self, place: int) -> None:
        """One of the operations has its effect; what only reads is answered from the state, if it can be."""
        waiting = [asked for asked in self.under_way if asked.result is None]
        if waiting:
            self.moment += 1
            asked = waiting[place % len(waiting)]
            context = Context(b"c" * 32, self.moment, bytes(32), self.moment)
            answer = self.service.query(asked.operation, context) if asked.is_reading else None
            asked.result = answer or self.service.execute(asked.operation, context)

    def answer(self, place: int) -> None:
        """One of the results arrives."""
        done = [asked for asked in self.under_way if asked.result is not None]
        if done:
            self.moment += 1
            asked = done[place % len(done)]
            self.under_way.remove(asked)
            assert asked.result is not None
            self.connections[asked.index].receive_result(asked.result)
            self._advance(asked.index)

    def finish(self) -> None:
        """Until nothing is under way."""
        while self.under_way:
            self.execute(0)
            self.answer(0)

    def _expect(self, index: int, command: bytes, deed: str, value: Any) -> None:
        self.expected[index].append(Expected(self.moment, deed, value))
        self.connections[index].receive_data(command)

    def _advance(self, index: int) -> None:
        connection = self.connections[index]
        operation = connection.next_operation()
        if operation is not None:
            assert all(asked.index != index for asked in self.under_way)
            self.under_way.append(Asked(index, operation, connection.is_reading))
        self.readers[index].feed(connection.take_output())
        while (reply := self.readers[index].gets()) is not NOTHING:
            self._judge(index, self.expected[index].pop(0), reply)

    def _judge(self, index: int, expected: Expected, reply: Any) -> None:
        verb, _, key = expected.deed.partition(" ")
        if key not in SHARED:
            assert reply == expected.value
            return
        operation = b"read " + key.encode() if verb == "read" else b"write %b %b" % (key.encode(), expected.value)
        result = DONE if reply == b"OK" else reply or ABSENT
        call = Call(f"connection {index}", expected.moment, self.moment, (operation,), (result,))
        self.history[key].append(call)


@settings(deadline=None, max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_reads_and_writes_of_many_connections_are_linearizable_and_in_order(steps: list[Step]) -> None:
    """Each connection sees what it wrote itself, in the order in which it was sent, and all see one order of events."""
    world = World()
    for what, which, deeds in steps:
        if what == "send":
            world.send(which, deeds)
        else:
            getattr(world, what)(which)
    world.finish()
    assert world.expected == [[]] * 4
    for key, history in world.history.items():
        assert is_linearizable(history), f"{key}: {unexplained_prefix(history)[-6:]}"


def test_the_world_does_read_and_order() -> None:
    """What the test above is about does happen in it."""
    world = World()
    world.send(0, ["read x", "read own"])
    world.send(1, ["read x", "write x", "read x"])
    world.send(2, ["transaction", "read x"])
    kinds = [(asked.index, asked.is_reading) for asked in world.under_way]
    assert kinds == [(0, True), (1, False), (2, False)]
    world.send(0, ["write own", "read own"])
    world.answer(0)
    world.finish()
    assert [len(world.history[key]) for key in SHARED] == [5, 0]

"""Where the parties run: the delay in their transport, and the commands that make a network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
from benchmarks.delayed import make_loop_class
from benchmarks.places import LOOPBACK_LINKS, Links, Place, open_place, set_up
from benchmarks.processes import LOOPBACK, ROOT, Processes

DELAY_SECONDS = 0.03


class Echo(asyncio.Protocol):
    """Answers what it hears, and says how it ended."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        """Connected."""
        self.transport = transport

    def data_received(self, data):
        """Answer."""
        self.heard += data
        self.transport.write(data)

    def eof_received(self):
        """The other side says no more."""

    def connection_lost(self, exc):
        """The end."""
        self.ended.set_result(exc)


class Buffered(asyncio.BufferedProtocol):
    """Takes what it hears into a small buffer of its own."""

    def __init__(self) -> None:
        self.buffer = bytearray(3)
        self.heard = bytearray()

    def get_buffer(self, sizehint):
        """Where to put it."""
        return self.buffer

    def buffer_updated(self, nbytes):
        """It is there."""
        self.heard += self.buffer[:nbytes]


async def talk(client_factory=Echo, second=None):
    """A server and a client; the server says something, the client echoes."""
    loop = asyncio.get_running_loop()
    servers: list[Echo] = []

    def accept():
        servers.append(Echo())
        return servers[0]

    server = await loop.create_server(accept, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    transport, client = await loop.create_connection(client_factory, LOOPBACK, port)
    if second is not None:
        transport.set_protocol(second)
    began = time.perf_counter()
    transport.write(b"abcdefgh")
    while not (second or client).heard:
        await asyncio.sleep(0.001)
    took = time.perf_counter() - began
    transport.close()
    await servers[0].ended
    server.close()
    await server.wait_closed()
    return client, servers[0], took


def run(work):
    """On a loop with the delay."""
    with asyncio.Runner(loop_factory=make_loop_class(DELAY_SECONDS)) as runner:
        return runner.run(work)


def test_what_travels_takes_the_delay_each_way():
    client, server, took = run(talk())

    assert isinstance(client, Echo)
    assert bytes(server.heard[:8]) == bytes(client.heard) == b"abcdefgh"
    assert took >= 2 * DELAY_SECONDS  # however busy the machine is


def test_who_takes_over_a_connection_is_told_later_too():
    second = Buffered()

    client, _, took = run(talk(second=second))

    assert bytes(second.heard) == b"abcdefgh"
    assert not client.heard
    assert took >= 2 * DELAY_SECONDS


def test_a_module_is_run_with_its_own_arguments():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.delayed", "1", "json.tool", "--compact", "-"],
        input=b'{"a": 1}',
        capture_output=True,
        cwd=ROOT,
        check=True,
    )

    assert done.stdout == b'{"a":1}\n'


def test_commands_of_the_places(tmp_path):
    with Processes(tmp_path) as processes:
        near, far = open_place(processes, LOOPBACK_LINKS, 2), open_place(processes, Links(delay_ms=1.5), 2)

    assert near.module(0, "quorate", "--version") == [sys.executable, "-m", "quorate", "--version"]
    assert far.module(0, "quorate")[2:] == ["benchmarks.delayed", "1.5", "quorate"]
    assert near.address(3) == LOOPBACK
    assert near.outside() is None
    assert Place().interface == ""


@pytest.mark.parametrize(("megabits", "limits"), [(0.0, 0), (100.0, 2)])
def test_every_party_gets_a_network_and_all_but_the_load_their_share_of_bandwidth(megabits, limits):
    commands = set_up(3, megabits)

    assert sum(command.startswith("ip netns add party-") for command in commands) == 3
    assert sum("tbf rate 100mbit" in command for command in commands) == limits

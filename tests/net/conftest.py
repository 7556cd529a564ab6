"""Members of a cluster, and what stands at the ends of links."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
import uvloop

from quorate.auth.keys import KeyPair
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.net.handshake import Identity
from quorate.net.links import Link


class Members(NamedTuple):
    """Everyone's keys: those of four replicas, then a client's, then a stranger's."""

    configuration: ClusterConfiguration
    keys: list[KeyPair]

    def identity(self, member: int) -> Identity:
        return Identity(self.keys[member], self.configuration)

    @property
    def client(self) -> Identity:
        return self.identity(4)


def members_of(replica_count: int = 4, incarnation: str = "1" * 32, settings: Settings | None = None) -> Members:
    keys = [KeyPair(bytes([index + 1]) * 32) for index in range(replica_count + 2)]
    replicas = tuple(Member("127.0.0.1", 1 + index, keys[index].public_key.hex()) for index in range(replica_count))
    clients = (ClientEntry("alice", keys[replica_count].public_key.hex()),)
    configuration = ClusterConfiguration("0" * 32, incarnation, "counter", replicas, clients, settings or Settings())
    return Members(configuration, keys)


@pytest.fixture(scope="session")
def make_members() -> Callable[..., Members]:
    return members_of


@pytest.fixture(scope="session")
def members() -> Members:
    return members_of()


class Recorder:
    """A link handler that remembers, and lets a test wait for what it needs."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.reads: list[list[bytes]] = []
        self.reasons: list[str] = []
        self._changed = asyncio.Event()

    @property
    def frames(self) -> list[bytes]:
        return [frame for frames in self.reads for frame in frames]

    @property
    def link(self) -> Link:
        return self.links[-1]

    def link_opened(self, link: Link) -> None:
        self.links.append(link)
        self._changed.set()

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        self.reads.append(frames)
        self._changed.set()

    def link_closed(self, link: Link, reason: str) -> None:
        self.reasons.append(reason)
        self._changed.set()

    async def until(self, holds: Callable[[Recorder], bool]) -> None:
        while not holds(self):
            self._changed.clear()
            await self._changed.wait()

    async def opened(self, count: int = 1) -> Link:
        await self.until(lambda recorder: len(recorder.links) >= count)
        return self.link


@pytest.fixture(scope="session")
def make_recorder() -> Callable[[], Recorder]:
    return Recorder


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    """Runs a coroutine on each kind of event loop, with an end to it."""

    def run_it(scenario: Awaitable[None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await scenario

        with asyncio.Runner(loop_factory=request.param) as runner:
            try:
                runner.run(limited())
            except BaseException:
                # What a failed test leaves open: closing uvloop would stop half-way at the warning, and hang.
                warnings.simplefilter("ignore", ResourceWarning)
                raise

    return run_it

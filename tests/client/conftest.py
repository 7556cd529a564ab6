"""A cluster of fakes: processes without the protocol between them, each of which answers every request alike."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import uvloop
from msgspec.structs import replace

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.config import ClusterConfiguration, Member, Settings
from quorate.folder import CLUSTER_FILE, ClusterFolder, create_cluster, load_client, load_replica, render_configuration
from quorate.messages.protocol import Inspect, Inspection, Outcome, Reply, Request
from quorate.messages.reads import Answer, Read, ReadReply
from quorate.net.links import Identity, Link, Listener, listen

Twist = Callable[[Reply], Reply | None]
"""What a faulty replica makes of a reply; None: it says nothing."""


def result_of(operation: bytes) -> bytes | None:
    """What the fake service returns."""
    return None if operation == b"fail" else b"done " + operation


class FakeReplica:
    """Opens sessions and executes requests, exactly once a session and timestamp."""

    def __init__(self, replica_id: int, key_pair: KeyPair, configuration: ClusterConfiguration) -> None:
        self.replica_id = replica_id
        self.view = 0
        self.twist: Twist = lambda reply: reply
        self.twist_read: Callable[[ReadReply], ReadReply | None] = lambda reply: reply
        self.reads: list[Read] = []
        self.executed: list[bytes] = []
        self.requests: list[Request] = []
        self.closed_sessions: set[int] = set()
        self.report = json.dumps({"id": replica_id}).encode()
        self.listener: Listener | None = None
        self._identity = Identity(key_pair, configuration)
        self._authenticator = ReplicaAuthenticator(replica_id, key_pair, configuration)
        self.sealer = self._authenticator
        """What seals its replies: with another key, they are not authentic."""
        self.administer: Callable[[Request], tuple[int, tuple[bytes | None, ...]]] = lambda _: (Outcome.DENIED, ())
        """How it answers what concerns the access table."""
        self.relay: list[FakeReplica] = []
        """To whom it passes requests on: where a primary would order them."""
        self.links: list[Link] = []
        self._replies: dict[tuple[int, int], Reply] = {}

    async def start(self, port: int = 0) -> int:
        self.listener = await listen("127.0.0.1", port, self._identity, self)
        return self.listener.port

    async def stop(self) -> None:
        if self.listener is not None:
            self.listener.close()
            await self.listener.wait_closed()
            self.listener = None

    def link_opened(self, link: Link) -> None:
        self.links.append(link)

    def link_closed(self, link: Link, reason: str) -> None:
        self.links.remove(link)

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        for frame in frames:
            opened = self._authenticator.open(frame)
            message = opened.message
            if isinstance(message, Inspect):
                inspection = Inspection(message.nonce, self.report, self.replica_id)
                link.send(self._authenticator.seal_inspection(inspection, message.client))
                continue
            if isinstance(message, Read):
                self.reads.append(message)
                reply = self.twist_read(self._read(message))
                for each in self.links if reply is not None else ():
                    each.send(self.sealer.seal(reply))
                continue
            assert isinstance(message, Request)
            for replica in (self, *self.relay):
                replica.answer(message, opened.envelope.payload)

    def answer(self, request: Request, payload: bytes) -> None:
        """Execute a request and reply to its client, which is connected."""
        reply = self.twist(self._answer(request, payload))
        for link in self.links if reply is not None else ():
            link.send(self.sealer.seal(reply))

    def _read(self, read: Read) -> ReadReply:
        """Operations that begin with `get` only read."""
        answers = tuple(Answer(b"got " + one, 1) if one.startswith(b"get") else None for one in read.operations)
        return ReadReply(read.client, read.nonce, 1, answers, self.replica_id)

    def _answer(self, request: Request, payload: bytes) -> Reply:
        self.requests.append(request)
        key = (request.session, request.timestamp)
        if key not in self._replies:
            outcome, results = self._execute(request, payload)
            self._replies[key] = Reply(
                self.view, request.client, request.session, request.timestamp, outcome, results, self.replica_id
            )
        return replace(self._replies[key], view=self.view)

    def _execute(self, request: Request, payload: bytes) -> tuple[int, tuple[bytes | None, ...]]:
        if request.session == 0 and request.operations:
            return self.administer(request)
        if request.session == 0:
            # Equal at all replicas without an order among requests.
            return Outcome.SESSION_OPENED, (b"\x01" + sha256(payload).digest()[:7],)
        if request.session in self.closed_sessions:
            return Outcome.SESSION_CLOSED, ()
        self.executed.extend(request.operations)
        return Outcome.EXECUTED, tuple(result_of(operation) for operation in request.operations)


class FakeCluster:
    """Fakes that listen, and the folder of a client that knows where."""

    def __init__(self, cluster: ClusterFolder) -> None:
        folders = [load_replica(path) for path in cluster.replicas()]
        self.path = cluster.client()
        self.configuration = cluster.configuration
        self.key_pair = load_client(self.path)[0]
        self.replicas = [
            FakeReplica(folder.settings.replica_id, folder.key_pair, folder.configuration) for folder in folders
        ]

        for replica in self.replicas:
            replica.relay = [other for other in self.replicas if other is not replica]

    async def start(self) -> None:
        """Listen on free ports and tell the client's folder which."""
        members = [
            Member(member.host, await replica.start(), member.public_key)
            for member, replica in zip(self.configuration.replicas, self.replicas, strict=True)
        ]
        self.configuration = replace(self.configuration, replicas=tuple(members))
        (self.path / CLUSTER_FILE).write_text(render_configuration(self.configuration))

    async def stop(self) -> None:
        for replica in self.replicas:
            await replica.stop()

    async def stop_some(self, *replica_ids: int) -> None:
        for replica_id in replica_ids:
            await self.replicas[replica_id].stop()

    def port(self, replica_id: int) -> int:
        return self.configuration.replicas[replica_id].port


MakeCluster = Callable[..., AbstractAsyncContextManager[FakeCluster]]


@pytest.fixture
def fake_cluster(tmp_path: Path) -> MakeCluster:
    """Makes a cluster of `replica_count` fakes that run while the context is open."""

    @asynccontextmanager
    async def make(
        replica_count: int = 4, settings: Settings | None = None, has_read_only_path: bool = False
    ) -> AsyncIterator[FakeCluster]:
        addresses = [("127.0.0.1", 7100 + index) for index in range(replica_count)]
        settings = replace(settings or Settings(), read_only_path=has_read_only_path)
        cluster = FakeCluster(create_cluster(tmp_path / "cluster", addresses, "counter", settings))
        await cluster.start()
        try:
            yield cluster
        finally:
            await cluster.stop()

    return make


@pytest.fixture
def run() -> Callable[[Awaitable[None]], None]:
    """Runs a coroutine on uvloop, with an end to it."""

    def run_it(scenario: Awaitable[None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await scenario

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(limited())
            except BaseException:
                # What a failed test leaves open: closing uvloop would stop half-way at the warning, and hang.
                warnings.simplefilter("ignore", ResourceWarning)
                raise

    return run_it

"""The asynchronous client: any number of operations at once, over a few sessions and one link to each replica."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from quorate.auth.authenticator import ClientAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.administration import Administration
from quorate.client.backups import BackupQuestions, Pieces
from quorate.client.coalescer import Coalescer
from quorate.client.inspection import Inspections
from quorate.client.known import CHANCE_BITS, OPENING_TICKS, opening_timestamp
from quorate.client.queries import Queries
from quorate.client.reads import NONCE_BITS, Reads
from quorate.client.replicas import Replicas
from quorate.client.session import Session
from quorate.client.waiting import ClientLimits, Operation, bytes_of
from quorate.config import ClusterConfiguration
from quorate.core.quorum import quorums_of
from quorate.errors import AuthenticationFailed, MalformedMessage, QuorateError, RequestRefused, RequestTimeout
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import BackupPieces, Inspection, Reply
from quorate.messages.reads import ReadReply
from quorate.messages.tree import Path
from quorate.net.links import LinkLimits
from quorate.net.tls import Credentials, credentials_of

CONNECT_SECONDS: Final = 5.0
INVOKE_SECONDS: Final = 30.0
INSPECT_SECONDS: Final = 2.0
_FIRST_TIMESTAMP_BITS: Final = 48
_LIMITS: Final = ClientLimits()
_LINK_LIMITS: Final = LinkLimits()


class ClusterUnreachable(QuorateError):
    """Too few replicas can be reached for any answer to be believed."""


class AsyncClient:
    """Has operations ordered and executed by the cluster. Made inside a running event loop, and used from it alone.

    What is submitted while all sessions are busy goes into the next request together. Operations may be executed in any
    order unless the caller waits for one before it submits the next.
    """

    def __init__(
        self,
        key_pair: KeyPair,
        configuration: ClusterConfiguration,
        limits: ClientLimits = _LIMITS,
        link_limits: LinkLimits = _LINK_LIMITS,
        credentials: Credentials | None = None,
    ) -> None:
        if limits.sessions < 1:
            raise ValueError(f"a client has at least one session, not {limits.sessions}")
        self.configuration: Final = configuration
        self._authenticator = ClientAuthenticator(key_pair, configuration)
        self._replicas = Replicas(key_pair, configuration, link_limits, self._receive, self._link_changed, credentials)
        self._inspections = Inspections(self._authenticator, self._replicas)
        self._backups = BackupQuestions(self._authenticator, self._replicas)
        self.access: Final = Administration(self._make_session, self._replicas.send)
        """For administrators: who may use the cluster."""
        self._coalescer = Coalescer(
            self._make_session, self._replicas.send, configuration, limits, self._describe_unreachable
        )
        reads = Reads(self._authenticator, configuration, secrets.randbits(NONCE_BITS))
        self._queries = Queries(reads, self._replicas.send, self._coalescer, configuration, limits)

    def submit(
        self, operation: Operation, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """Start *operation*; its result comes with the future, which fails with a RequestFailed:

        - RequestRefused: the operation is too large, too much waits already, the client is closed or not admitted, or
          its session was closed under it;
        - RequestTimeout: *timeout* seconds passed; it may still be executed, once;
        - PermissionDenied, a RequestRefused: the client may only read, and this may change something;
        - OperationFailed: the service failed at it.

        With *only_reads* the replicas are asked to answer it without ordering it, which is quicker. It sees whatever
        was answered before it was submitted. The replicas look whether it really only reads: if not, or if they do not
        agree about the answer, it is ordered all the same; so it is while that is the better way (`client.queries`).

        Raises TypeError for what is not bytes. A bytearray or a memoryview is copied: it may change afterwards.
        """
        path = self._queries if only_reads and self.configuration.settings.read_only_path else self._coalescer
        return path.submit(bytes_of(operation), timeout)

    async def invoke(self, operation: Operation, timeout: float | None = INVOKE_SECONDS) -> bytes:
        """The result of *operation*, for which at least one correct replica vouches (see `submit`)."""
        return await self.submit(operation, timeout)

    async def query(self, operation: Operation, timeout: float | None = INVOKE_SECONDS) -> bytes:
        """The result of *operation*, which only reads: not ordered if that is not needed (see `submit`)."""
        return await self.submit(operation, timeout, only_reads=True)

    async def inspect(self, replica_id: int, timeout: float = INSPECT_SECONDS) -> dict[str, object]:
        """What one replica says of itself. Raises RequestTimeout when it cannot be reached or does not answer."""
        if not 0 <= replica_id < self.configuration.replica_count:
            raise RequestRefused(f"there is no replica {replica_id}: ids are below {self.configuration.replica_count}")
        try:
            async with asyncio.timeout(timeout):
                return await self._inspections.ask(replica_id)
        except TimeoutError:
            where, remedy = self._replicas.describe(replica_id), self._replicas.remedy(replica_id) or "is it running?"
            raise RequestTimeout(f"no answer within {timeout:g} seconds from {where}; {remedy}") from None

    async def fetch_backup(
        self, replica_id: int, nonce: int, sequence_number: int, paths: tuple[Path, ...], timeout: float
    ) -> Pieces:
        """Nodes of a checkpoint that a replica holds, for administrators: its word, which has to be checked
        (`quorate.backup`). Raises RequestTimeout when it does not answer in time."""
        try:
            async with asyncio.timeout(timeout):
                return await self._backups.ask(replica_id, nonce, sequence_number, paths)
        except TimeoutError:
            where = self._replicas.describe(replica_id)
            raise RequestTimeout(f"no answer within {timeout:g} seconds from {where}") from None

    async def wait_connected(self, timeout: float = CONNECT_SECONDS) -> None:
        """Wait for links to as many replicas as vouch for a result. Raises ClusterUnreachable."""
        quorums = quorums_of(self.configuration.replica_count)
        needed = quorums.quorum if self.configuration.settings.read_only_path else quorums.weak
        try:
            async with asyncio.timeout(timeout):
                await self._replicas.until(lambda connected: len(connected) >= needed)
        except TimeoutError:
            remedy = self._replicas.remedy() or "start the replicas, or correct their addresses in cluster.toml"
            raise ClusterUnreachable(
                f"{len(self.connected)} of the {needed} replicas that are needed could be reached within {timeout:g} "
                f"seconds{self._replicas.describe_unreachable()}; {remedy}"
            ) from None

    @property
    def connected(self) -> list[int]:
        """The ids of the replicas to which a link is open."""
        return self._replicas.connected

    @property
    def waiting_operations(self) -> int:
        """How many operations wait to be sent."""
        return self._coalescer.waiting_operations + self._queries.waiting_operations

    @property
    def counters(self) -> dict[str, int]:
        """What happened, by reason: links opened, closed and refused, replies that were not authentic."""
        return self._replicas.counters

    def close(self) -> None:
        """Close the links; operations that are under way fail with RequestFailed."""
        self._queries.close()
        self._coalescer.close()
        self._replicas.close()

    async def wait_closed(self) -> None:
        """Wait until, after `close`, the links are gone."""
        await self._replicas.wait_closed()

    def _describe_unreachable(self) -> str:
        remedy = self._replicas.remedy()
        return self._replicas.describe_unreachable() + (f"; {remedy}" if remedy else "")

    def _make_session(self) -> Session:
        first_timestamp = 1 + secrets.randbits(_FIRST_TIMESTAMP_BITS)
        first_opening = opening_timestamp(time.time_ns() // 1000, secrets.randbits(CHANCE_BITS))
        return Session(self._authenticator, self.configuration, first_opening, first_timestamp, OPENING_TICKS)

    def _link_changed(self, replica_id: int) -> None:
        self._coalescer.link_changed(replica_id)

    def _receive(self, frames: list[bytes]) -> None:
        for frame in frames:
            try:
                self._receive_frame(frame)
            except (MalformedMessage, AuthenticationFailed) as error:
                reason = type(error).__name__
                self.counters[reason] = self.counters.get(reason, 0) + 1

    def _receive_frame(self, frame: bytes) -> None:
        """Decode first: a few replies settle a request, and the others' MACs need not be checked. What is not dropped
        here counts only once it is verified."""
        envelope = decode_envelope(frame)
        message = decode(envelope.payload)
        if isinstance(message, Reply):
            if self._coalescer.awaits(message):
                verified = self._authenticator.open(frame)
                assert isinstance(verified, Reply)
                self._coalescer.receive(verified)
            elif self.access.awaits(message):
                verified = self._authenticator.open(frame)
                assert isinstance(verified, Reply)
                self.access.receive(verified)
        elif isinstance(message, ReadReply) and self._queries.awaits(message):
            self._authenticator.open(frame)
            self._queries.receive(message)
        elif isinstance(message, Inspection) and self._inspections.awaits(message):
            verified = self._authenticator.open(frame)
            assert isinstance(verified, Inspection)
            self._inspections.receive(verified)
        elif isinstance(message, BackupPieces) and self._backups.awaits(message):
            self._authenticator.open(frame)
            self._backups.receive(message, envelope.attachments)


@asynccontextmanager
async def connect(
    path: str | os.PathLike[str],
    *,
    sessions: int = _LIMITS.sessions,
    wait_seconds: float = CONNECT_SECONDS,
    passphrase: str | None = None,
) -> AsyncIterator[AsyncClient]:
    """A client of the cluster whose client folder is *path*.

    Waits for links to as many replicas as vouch for a result, for up to *wait_seconds*; then raises ClusterUnreachable,
    which names who cannot be reached and why. With 0 it returns at once, and operations wait for the cluster: for tools
    that look at a cluster that may be down.

    *passphrase* opens an encrypted key; without it the environment is asked: QUORATE_PASSPHRASE_FILE, or
    QUORATE_PASSPHRASE.
    """
    from quorate.folder import client_folder_of, load_client

    key_pair, configuration = load_client(path, None if passphrase is None else lambda _: passphrase)
    credentials = credentials_of(client_folder_of(path), key_pair, configuration)
    client = AsyncClient(key_pair, configuration, _LIMITS._replace(sessions=sessions), credentials=credentials)
    try:
        if wait_seconds > 0:
            await client.wait_connected(wait_seconds)
        yield client
    finally:
        client.close()
        await client.wait_closed()

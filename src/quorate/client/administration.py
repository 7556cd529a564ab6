"""Changing and reading the cluster's access table: for administrators (docs/ACCESS.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quorate.client.session import Completed, Failed, SendRequest, Session
from quorate.errors import PermissionDenied, RequestFailed
from quorate.messages.access import (
    Accepted,
    AccessOperation,
    AccessResult,
    AccessRow,
    AddClient,
    Grant,
    ListClients,
    Listed,
    Mark,
    Refused,
    RevokeClient,
    decode_result,
    encode_access,
)
from quorate.messages.protocol import Reply
from quorate.net.alarm import MICROSECONDS, microseconds_now


class Administration:
    """Has operations on the access table executed, one at a time. Used inside one event loop."""

    def __init__(self, make_session: Callable[[], Session], send: Callable[[int, bytes], bool]) -> None:
        self._make_session = make_session
        self._send = send
        self._session: Session | None = None
        self._replied = asyncio.Event()
        self._turn = asyncio.Lock()

    async def add(self, grant: Grant) -> int:
        """Let a client in; the sequence number since which it may use the cluster. To add it again is no mistake.

        Raises PermissionDenied with the reason why not."""
        return _accepted(await self._execute(AddClient(grant)))

    async def revoke(self, public_key: bytes) -> int:
        """Shut a client out, for good; the sequence number since which it is. Raises PermissionDenied."""
        return _accepted(await self._execute(RevokeClient(public_key)))

    async def mark(self) -> int:
        """Have nothing executed; the sequence number at which it was. All that was answered before stands below it."""
        return _accepted(await self._execute(Mark()))

    async def rows(self) -> list[AccessRow]:
        """The access table, in the order of the keys."""
        rows: list[AccessRow] = []
        while True:
            listed = await self._execute(ListClients(rows[-1].grant.public_key if rows else b""))
            if not isinstance(listed, Listed):
                raise RequestFailed(f"the replicas answered with {listed}: use the client of their version")
            if not listed.rows:
                return rows
            rows += listed.rows

    def awaits(self, reply: Reply) -> bool:
        """Whether a reply, not verified yet, would tell something."""
        return self._session is not None and self._session.awaits(reply.session, reply.timestamp)

    def receive(self, reply: Reply) -> None:
        """Take in a verified reply."""
        assert self._session is not None
        self._session.receive(reply, microseconds_now())
        self._replied.set()

    async def _execute(self, operation: AccessOperation) -> AccessResult:
        async with self._turn:
            session = self._session = self._make_session()
            try:
                session.administer((encode_access(operation),), microseconds_now())
                return await self._answer(session)
            finally:
                self._session = None

    async def _answer(self, session: Session) -> AccessResult:
        while True:
            self._replied.clear()
            now = microseconds_now()
            for effect in session.settle(now):
                match effect:
                    case SendRequest(receivers, frame):
                        for receiver in receivers:
                            self._send(receiver, frame)
                    case Completed((None,)):
                        raise RequestFailed("it was executed; its result was above reply_bytes_max")
                    case Completed(results):
                        return decode_result(results[0] or b"")
                    case Failed(error):
                        raise error
            await self._wait(session.next_deadline())

    async def _wait(self, deadline: int | None) -> None:
        """Until a reply comes, or it is time to send again."""
        seconds = None if deadline is None else max(0, deadline - microseconds_now()) / MICROSECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._replied.wait()
        except TimeoutError:
            pass


def _accepted(result: AccessResult) -> int:
    match result:
        case Accepted(sequence_number):
            return sequence_number
        case Refused(reason):
            raise PermissionDenied(reason)
        case _:
            raise RequestFailed(f"the replicas answered with {result}: use the client of their version")

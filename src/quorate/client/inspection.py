"""INSPECT: asking one replica how it is. The answer is that replica's own word; nobody else vouches for it."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Final

from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.replicas import Replicas
from quorate.errors import RequestFailed, RequestRefused
from quorate.messages.protocol import Inspect, Inspection

_NONCE_BITS: Final = 62
_PENDING_MAX: Final = 1024


class Inspections:
    """The questions that are not answered yet, by their nonces."""

    def __init__(self, authenticator: ClientAuthenticator, replicas: Replicas) -> None:
        self._authenticator = authenticator
        self._replicas = replicas
        self._pending: dict[int, tuple[int, asyncio.Future[bytes]]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def awaits(self, inspection: Inspection) -> bool:
        """Whether an answer, not verified yet, is to one of the questions."""
        replica_id, _ = self._pending.get(inspection.nonce, (None, None))
        return replica_id == inspection.replica

    def receive(self, inspection: Inspection) -> None:
        """Take in a verified answer."""
        _, future = self._pending[inspection.nonce]
        if not future.done():
            future.set_result(inspection.report)

    async def ask(self, replica_id: int) -> dict[str, object]:
        """Ask one replica as soon as it is connected; its report. Waits as long as the caller does."""
        await self._replicas.until(lambda connected: replica_id in connected)
        if len(self._pending) >= _PENDING_MAX:
            raise RequestRefused(f"{_PENDING_MAX} inspections are under way: wait for some of them")
        nonce = secrets.randbits(_NONCE_BITS)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[nonce] = (replica_id, future)
        try:
            inspect = Inspect(self._authenticator.client_id, nonce)
            self._replicas.send(replica_id, self._authenticator.seal_question(inspect, replica_id))
            return _parse(replica_id, await future)
        finally:
            del self._pending[nonce]


def _parse(replica_id: int, report: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(report)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise RequestFailed(f"replica {replica_id} sent a report that is no JSON object: is its version the same?")
    return parsed

"""FETCH-BACKUP: asking one replica for parts of a checkpoint that it holds. What it sends has to prove itself."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.replicas import Replicas
from quorate.messages.protocol import BackupPieces, FetchBackup
from quorate.messages.tree import Path


class Pieces(NamedTuple):
    """What a replica answered."""

    sequence_number: int
    answer: int
    """A `BackupAnswer`."""
    paths: tuple[Path, ...]
    """The nodes that it sent; none: it sent the root entry, or nothing."""
    data: tuple[bytes, ...]


class _Pending(NamedTuple):
    question: FetchBackup
    future: asyncio.Future[Pieces]


class BackupQuestions:
    """The questions that are not answered yet: one a replica and backup."""

    def __init__(self, authenticator: ClientAuthenticator, replicas: Replicas) -> None:
        self._authenticator = authenticator
        self._replicas = replicas
        self._pending: dict[tuple[int, int], _Pending] = {}

    def awaits(self, message: BackupPieces) -> bool:
        """Whether an answer, not verified yet, is to the question that waits: one to an earlier question is late."""
        pending = self._pending.get((message.replica, message.nonce))
        if pending is None:
            return False
        asked = pending.question
        is_same = asked.sequence_number in (0, message.sequence_number)
        return is_same and set(message.paths) <= set(asked.paths)

    def receive(self, message: BackupPieces, attachments: tuple[bytes, ...]) -> None:
        """Take in a verified answer, and what travelled beside it, which nobody has verified."""
        future = self._pending[message.replica, message.nonce].future
        if not future.done():
            future.set_result(Pieces(message.sequence_number, message.answer, message.paths, attachments))

    async def ask(self, replica_id: int, nonce: int, sequence_number: int, paths: tuple[Path, ...]) -> Pieces:
        """Ask one replica as soon as it is connected. Waits as long as the caller does; one question at a time."""
        await self._replicas.until(lambda connected: replica_id in connected)
        question = FetchBackup(self._authenticator.client_id, nonce, sequence_number, paths)
        future: asyncio.Future[Pieces] = asyncio.get_running_loop().create_future()
        self._pending[replica_id, nonce] = _Pending(question, future)
        try:
            self._replicas.send(replica_id, self._authenticator.seal_question(question, replica_id))
            return await future
        finally:
            del self._pending[replica_id, nonce]

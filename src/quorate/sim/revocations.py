"""What correct replicas do about clients that were shut out (ACCESS-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Revocations:
    """Where each client was shut out; nothing of it may be executed behind that."""

    def __init__(self, accuse: Callable[[str, str], None]) -> None:
        self.ordered_behind = 0
        """Requests of revoked clients that a correct replica found in the agreed order, behind the revocation."""
        self._accuse = accuse
        self._revoked: dict[bytes, int] = {}
        self._shut_out: set[tuple[int, bytes]] = set()
        """Replicas, and clients that their present processes have shut out."""

    def see_start(self, replica: int) -> None:
        """The process of a replica starts: it goes on from a checkpoint, perhaps one before a revocation."""
        self._shut_out = {(other, client) for other, client in self._shut_out if other != replica}

    def hear(self, replica: int, details: dict[str, Any]) -> None:
        """A replica shut a client out: all at the same place."""
        client, number = details["client"], details["sequence_number"]
        known = self._revoked.setdefault(bytes.fromhex(client), number)
        self._shut_out.add((replica, bytes.fromhex(client)))
        if known != number:
            self._accuse("equal access", f"replica {replica} revoked {client[:8]} at {number}, another at {known}")

    def see_request(self, replica: int, client: bytes, number: int, outcome: int) -> None:
        """A replica executed a batch with this request; an outcome below zero: it was not executed."""
        revoked = self._revoked.get(client)
        if revoked is None or number <= revoked:
            return
        self.ordered_behind += 1
        if outcome >= 0:
            text = f"replica {replica} executed a request of {client.hex()[:8]} at {number}, revoked at {revoked}"
            self._accuse("revoked", text)

    def see_answer(self, replica: int, client: bytes) -> None:
        """A replica answered a READ."""
        if (replica, client) in self._shut_out:
            self._accuse("revoked", f"replica {replica} answered a READ of {client.hex()[:8]}, which it has shut out")

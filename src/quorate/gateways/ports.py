"""What a gateway asks of the client that it stands on."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Invoker(Protocol):
    """Has operations ordered and executed by the cluster. The client of `quorate.connect` is one."""

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        """Start *operation*; its result comes with the future, within *timeout* seconds if that is given.

        With *only_reads* it need not be ordered; it still sees all that was answered before.

        Any number may be outstanding; nothing is promised about their order. The future fails with a
        `RequestFailed`: `RequestTimeout` when the outcome is unknown, another when it is known.
        """

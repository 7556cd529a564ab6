"""What is executed and not committed yet (OSDI'99 5.1). Data; see `core/execution.py` for the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quorate.core.log import OpenBatch
from quorate.messages.protocol import Request

if TYPE_CHECKING:
    from quorate.core.requests import Execution


class Tentative(NamedTuple):
    """The batch that is executed here and not committed yet."""

    sequence_number: int
    batch: OpenBatch
    view: int
    """In which it was prepared."""
    executions: list[Execution]

    def has(self, request: Request) -> bool:
        """Whether it is about a request of the same session."""
        session = (request.client, request.session)
        return any((one.client, one.session) == session for one in self.batch.requests)

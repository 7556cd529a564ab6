"""The service, watched: what it raises is an answer to the rules, and a traceback in the log for whoever mends it."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Final

from quorate.core.ports import Context, Service
from quorate.runtime.telemetry import Telemetry

_KINDS_MAX: Final = 256
_OTHERS: Final = ("others", "others", "0")


class WatchedService:
    """A service whose `execute` tells the log of what it raises, and raises it all the same."""

    def __init__(self, service: Service, telemetry: Telemetry) -> None:
        self._execute = service.execute
        self._telemetry = telemetry
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self.query = service.query
        self.only_reads = service.only_reads
        self.tick = service.tick
        self.checkpoint = service.checkpoint
        self.digest = service.digest
        self.revert = service.revert
        self.release = service.release
        self.fetch = service.fetch
        self.install = service.install
        self.next_deadline = service.next_deadline

    def execute(self, operation: bytes, context: Context) -> bytes:
        """The service's result, or what it raises."""
        try:
            return self._execute(operation, context)
        except Exception as error:
            self._tell(error, operation, context)
            raise

    def _tell(self, error: Exception, operation: bytes, context: Context) -> None:
        """One line now and then for each kind: what was raised, and where. The first one has the traceback."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = (type(error).__name__, last.filename, str(last.lineno))
        if kind not in self._counts and len(self._counts) >= _KINDS_MAX:
            kind = _OTHERS
        self._counts[kind] += 1
        fields = {
            "error": f"{type(error).__name__}: {error}",
            "sequence_number": context.sequence_number,
            "operation_bytes": len(operation),
            "client": context.client.hex()[:8],
            "total": self._counts[kind],
        }
        self._telemetry.service_failed(kind, fields, error if self._counts[kind] == 1 else None)

"""The table of recoveries (REC-1): which replica recovered where in the order. Part of the replicated tables.

A replica's recovery epoch is the sequence number at which its last recovery request was executed, 0 if none was. What
it signed about its votes in an older epoch does not count any more (EPOCH-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.config import Settings
from quorate.messages.protocol import Request
from quorate.messages.recoveries import Recovery, decode_recoveries, encode_recoveries, half_of

AHEAD: Final = "of a recovery epoch that is not executed here"
OUTDATED: Final = "of an older recovery epoch"
RECOVERED: Final = "to recover, and not newer than what was executed"


def recovery_point(epoch: int, settings: Settings) -> int:
    """Where a replica is as good as any other again whose recovery request was executed there: rounded up to a
    checkpoint, and a window beyond. What it forgot lies below, and whoever votes above has executed its request."""
    interval = settings.checkpoint_interval
    return -(-epoch // interval) * interval + settings.window


class Recoveries:
    """The last recovery of each replica that ever recovered."""

    def __init__(self, replica_keys: Sequence[bytes] = (), pause: int = 0) -> None:
        self._replicas: Final = {key: replica for replica, key in enumerate(replica_keys)}
        self._keys: Final = tuple(replica_keys)
        self._pause: Final = pause
        """A replica's recoveries are at least so far apart, in microseconds of the agreed time."""
        self.rows: dict[int, Recovery] = {}

    def replica_of(self, client: bytes) -> int | None:
        """Which replica sends requests under this key; None: a client."""
        return self._replicas.get(client)

    def key_of(self, replica: int) -> bytes:
        """The key under which a replica sends requests."""
        return self._keys[replica]

    def awaited(self, settings: Settings) -> int:
        """The highest recovery point: the group goes on at least that far, with null requests if need be (REC-4)."""
        return max((recovery_point(row.epoch, settings) for row in self.rows.values()), default=0)

    def under_way(self, low_watermark: int, settings: Settings) -> set[int]:
        """The replicas whose recovery points are above this low watermark: they may still be silent."""
        return {row.replica for row in self.rows.values() if recovery_point(row.epoch, settings) > low_watermark}

    def epoch_of(self, replica: int) -> int:
        """A replica's recovery epoch, as it is executed here."""
        row = self.rows.get(replica)
        return 0 if row is None else row.epoch

    def doubt_epoch(self, replica: int, epoch: int, last_executed: int) -> str | None:
        """Why what a replica signed in this epoch does not count where so much is executed (EPOCH-1); None: it does."""
        present = self.epoch_of(replica)
        if epoch > max(present, last_executed):
            return AHEAD
        if epoch > present:
            return "of a recovery epoch that there is not"
        return OUTDATED if epoch < present else None

    def doubt_request(self, request: Request) -> str | None:
        """Why a replica's request is not to be executed, by its form and its counter (REC-1); None: it is."""
        if half_of(request) is None:
            return "of a replica, and none to recover"
        return None if self.is_new(request) else RECOVERED

    def is_new(self, request: Request) -> bool:
        """Whether a replica's request is one to recover, with a counter above all that were executed."""
        replica = self.replica_of(request.client)
        row = None if replica is None else self.rows.get(replica)
        return half_of(request) is not None and (row is None or request.timestamp > row.counter)

    def execute(self, request: Request, sequence_number: int, time: int) -> Recovery | None:
        """REC-1: raise the epoch of the replica that asks; None when the request is old, or comes too soon after its
        last recovery: neither a replay nor a liar keeps the group busy."""
        replica, half = self.replica_of(request.client), half_of(request)
        if replica is None or half is None or not self.is_new(request):
            return None
        last = self.rows.get(replica)
        if last is not None and time < last.time + self._pause:
            return None
        row = self.rows[replica] = Recovery(replica, sequence_number, request.timestamp, half, time)
        return row

    def encode(self) -> bytes:
        """The rows in the order of the replicas: what a checkpoint holds of them."""
        return encode_recoveries(tuple(self.rows[replica] for replica in sorted(self.rows)))

    def restore(self, encoded: bytes) -> None:
        """Become what `encode` gave. Raises MalformedMessage."""
        self.rows = {row.replica: row for row in decode_recoveries(encoded)}

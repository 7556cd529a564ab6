"""What a replica says of itself. Data; nothing depends on it."""

from __future__ import annotations

from msgspec import Struct


class ReplicaReport(Struct, frozen=True):
    """What a replica thinks, for people and programs."""

    replica_id: int
    view: int
    status: str
    primary: int
    is_primary: bool
    last_executed: int
    low_watermark: int
    stable_checkpoint: int
    state_digest: str
    view_changes: int
    needs_state: bool
    waiting_requests: int
    incidents: dict[str, int]

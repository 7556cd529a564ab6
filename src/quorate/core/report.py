"""What a replica says of itself. Data; nothing depends on it."""

from __future__ import annotations

from msgspec import Struct


class Progress(Struct, frozen=True):
    """How far the fetch of a checkpoint is."""

    sequence_number: int
    nodes: int
    """What has come, of the tree of the state."""
    size: int
    """Its bytes."""
    outstanding: int
    """Nodes that are known to differ and have not come; below them there may be more."""


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
    epoch: int
    """Its recovery epoch: where its last recovery request was executed."""
    recovery_point: int
    """Where its low watermark has to be before it takes part again; 0 when it does, or does not know yet."""
    transfer: Progress | None
    """The fetch of a checkpoint that is under way."""
    incidents: dict[str, int]

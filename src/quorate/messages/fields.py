"""The fields of messages and their bounds: a value outside them does not decode."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

REPLICAS_MAX: Final = 64
"""The largest group. A bound for tables, far above what a quorum protocol is run with."""
OPERATIONS_MAX: Final = 4096
"""Operations in one request."""
REQUESTS_MAX: Final = 1024
"""Requests in one batch."""
WINDOW_MAX: Final = 4096
"""The largest window L between the watermarks."""

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A view, a sequence number, a timestamp, a time in microseconds."""
ReplicaId = Annotated[int, Meta(ge=0, lt=REPLICAS_MAX)]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
ClientId = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""A client is named by its Ed25519 public key."""
Half = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""The public half of an X25519 agreement."""

"""Worlds in which clients are let in and shut out: the first client is the administrator."""

from __future__ import annotations

from typing import Final

from quorate.auth.authenticator import ClientAuthenticator
from quorate.messages.access import AddClient, Grant, RevokeClient, encode_access
from quorate.messages.protocol import Request
from quorate.sim.plan import AccessChange

FIRST_TIMESTAMP: Final = 2**60
"""Above all openings that a client's clock gives; those that follow a change are a little above it."""
BETWEEN_CHANGES: Final = 2**40
ASK_AGAIN_EVERY: Final = 200_000


def frame_of(
    authenticator: ClientAuthenticator, index: int, change: AccessChange, key: bytes, is_repeated: bool
) -> bytes:
    """The request for the *index*-th change of a plan, which concerns the client with this key; signed when it is
    repeated, as every client does it (REQ-3)."""
    grant = Grant(key, f"client-{change.client}")
    operation = RevokeClient(key) if change.is_revoked else AddClient(grant)
    timestamp = FIRST_TIMESTAMP + index * BETWEEN_CHANGES
    return authenticator.seal(Request(authenticator.client_id, 0, timestamp, (encode_access(operation),)), is_repeated)

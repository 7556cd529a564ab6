"""Worlds in which clients are let in and shut out: the first client is the administrator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.auth.authenticator import ClientAuthenticator
from quorate.core.replica import Replica
from quorate.messages.access import AddClient, Grant, RevokeClient, encode_access
from quorate.messages.protocol import Request
from quorate.sim.cluster import Cluster
from quorate.sim.nodes import ReplicaNode, Surroundings
from quorate.sim.plan import AccessChange, Plan

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


class AccessChanges:
    """The changes that a plan wants, one after the other, each when the last one is executed somewhere."""

    def __init__(self, world: Surroundings, plan: Plan, cluster: Cluster, replicas: Sequence[ReplicaNode]) -> None:
        self._world: Final = world
        self._changes: Final = plan.access
        self._keys: Final = cluster.client_keys
        self._administrator: Final = ClientAuthenticator(cluster.client_keys[0], cluster.configuration)
        self._replicas: Final = replicas

    def ask(self, index: int = 0) -> None:
        """Ask for a change, when it is due, until a correct replica has executed it; then for the next."""
        if index < len(self._changes):
            self._world.schedule(max(self._world.now, self._changes[index].at), lambda: self._ask(index))

    def _ask(self, index: int, is_repeated: bool = False) -> None:
        change = self._changes[index]
        key = self._keys[change.client].public_key
        if self._is_done(key, change.is_revoked):
            self.ask(index + 1)
            return
        frame = frame_of(self._administrator, index, change, key, is_repeated)
        for replica in range(len(self._replicas)):
            self._world.transmit(len(self._replicas), replica, frame)
        self._world.schedule(self._world.now + ASK_AGAIN_EVERY, lambda: self._ask(index, is_repeated=True))

    def _is_done(self, key: bytes, is_revoked: bool) -> bool:
        replicas = [node.behaviour for node in self._replicas if isinstance(node.behaviour, Replica)]
        tables = [replica.core.tables.access for replica in replicas]
        return any(key in table.revoked() if is_revoked else table.grant(key) is not None for table in tables)

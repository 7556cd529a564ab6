"""The keys and the configuration of a simulated cluster: the same ones in every world, so they are made once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.config import ClientEntry, ClusterConfiguration, Member
from quorate.sim.known_keys import KnownKeyPair
from quorate.sim.plan import Plan


class Cluster(NamedTuple):
    """What its members know before they start."""

    configuration: ClusterConfiguration
    replica_keys: tuple[KeyPair, ...]
    client_keys: tuple[KeyPair, ...]

    def authenticator(self, replica: int) -> ReplicaAuthenticator:
        """What a replica's process begins with: the session keys of an earlier one ended with that."""
        return ReplicaAuthenticator(replica, self.replica_keys[replica], self.configuration)


def cluster_of(plan: Plan) -> Cluster:
    """The cluster that a plan runs."""
    replica_keys = tuple(key_pair("replica", at) for at in range(plan.replicas))
    client_keys = tuple(key_pair("client", at) for at in range(len(plan.clients)))
    strangers = {change.client for change in plan.access if not change.is_revoked}
    configuration = ClusterConfiguration(
        cluster_id="51" * 16,
        incarnation="0a" * 16,
        service="register",
        replicas=tuple(Member(f"replica-{at}", 1 + at, pair.public_key.hex()) for at, pair in enumerate(replica_keys)),
        clients=tuple(
            ClientEntry(f"client-{at}", pair.public_key.hex(), administrator=bool(plan.access) and at == 0)
            for at, pair in enumerate(client_keys)
            if at not in strangers
        ),
        settings=plan.settings,
    )
    return Cluster(configuration, replica_keys, client_keys)


@cache
def key_pair(role: str, at: int) -> KeyPair:
    """The key pair of a member. Everyone knows it; nothing outside of a simulation does."""
    return KnownKeyPair(f"simulated {role} {at}".encode().ljust(32))

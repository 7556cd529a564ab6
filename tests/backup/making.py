"""Backups without a cluster: a service's state, the tables of a core, and the signatures of all replicas."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.backup.certificate import Target, public_part
from quorate.backup.file import BackupWriter, describe
from quorate.backup.gathering import Gathering
from quorate.config import ClusterConfiguration, Settings
from quorate.core.access import AccessTable
from quorate.core.ports import Context, Service
from quorate.core.tables import ReplicatedTables, TablesSnapshot
from quorate.folder import ClusterFolder, create_cluster, load_replica
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import Checkpoint, Outcome, Request
from quorate.messages.recoveries import Recovery, encode_recoveries
from quorate.services.counter import CounterService

NUMBER = 128
TIME = 1_700_000_000_000_000
SYNC = Settings(durability="sync")
NEVER: Mapping[int, int] = {}
"""Nobody has recovered."""


class Made(NamedTuple):
    """A backup, and the cluster that it is of."""

    cluster: ClusterFolder
    tables: TablesSnapshot
    service_digest: bytes
    data: bytes

    @property
    def target(self) -> Target:
        return Target(NUMBER, checkpoint_digest(self.service_digest, self.tables.digest()))


def make_cluster(path: Path, settings: Settings = SYNC, service: str = "counter", replicas: int = 4) -> ClusterFolder:
    return create_cluster(path, [("127.0.0.1", 7100 + number) for number in range(replicas)], service, settings)


def client_of(configuration: ClusterConfiguration) -> bytes:
    return bytes.fromhex(configuration.clients[0].public_key)


def tables_of(configuration: ClusterConfiguration) -> TablesSnapshot:
    """One client with one session, in which it executed one request."""
    tables = ReplicatedTables(AccessTable(configuration.grants()), 64)
    client = client_of(configuration)
    tables.advance(TIME, NUMBER, b"d" * 32)
    tables.open_session(Request(client, 0, 1, ()), 100, 0)
    tables.record(Request(client, 100 * 1024, 9, (b"add 5",)), Outcome.EXECUTED, (b"5",))
    return tables.snapshot()


def recovered(tables: TablesSnapshot, replica: int, epoch: int) -> TablesSnapshot:
    """The same, after a replica recovered."""
    row = Recovery(replica, epoch, 1, b"h" * 32, TIME)
    return replace(tables, recoveries=encode_recoveries((row,)))


def counter(total: int = 5) -> CounterService:
    service = CounterService()
    service.execute(b"add %d" % total, Context(b"", 0, b"", 0))
    return service


def certificate_of(
    cluster: ClusterFolder, target: Target, signers: tuple[int, ...] = (0, 1, 2), epochs: Mapping[int, int] = NEVER
) -> tuple[bytes, ...]:
    """CHECKPOINTs, each in the recovery epoch of its signer."""
    frames = []
    for signer in signers:
        replica = load_replica(cluster.replica(signer))
        authenticator = ReplicaAuthenticator(signer, replica.key_pair, cluster.configuration)
        frames.append(authenticator.seal(Checkpoint(*target, signer, epochs.get(signer, 0))))
    return tuple(frames)


def make_backup(
    cluster: ClusterFolder,
    service: Service | None = None,
    tables: TablesSnapshot | None = None,
    certificate: tuple[bytes, ...] | None = None,
) -> Made:
    """The bytes of a backup of this service's state."""
    service = service or counter()
    tables = tables or tables_of(cluster.configuration)
    service_digest = service.checkpoint(NUMBER)
    while service_digest is None:
        service_digest = service.digest(NUMBER)
    target = Target(NUMBER, checkpoint_digest(service_digest, tables.digest()))
    frames = certificate_of(cluster, target) if certificate is None else certificate
    file = io.BytesIO()
    writer = BackupWriter(file, describe(public_part(cluster.configuration), target, service_digest, frames), tables)
    gathering = Gathering(service_digest)
    while paths := gathering.take(64):
        for path in paths:
            assert gathering.put(path, service.fetch(NUMBER, path) or b"")
        for node in gathering.come_out():
            writer.add(node.kind, node.data)
    writer.end()
    return Made(cluster, tables, service_digest, file.getvalue())

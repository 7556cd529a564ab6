"""A cluster that begins with the state of a backup: a new incarnation, all of whose replicas hold one checkpoint.

Everything is made beside what is there, read back, and compared; only then it takes its place. The sequence numbers go
on from the checkpoint, and the client table is kept: what was executed is not executed again, and no name of a session
comes twice. Signatures and MACs are bound to the incarnation, so nothing of the old history counts in the new one; the
recoveries of the old one, which say from where on a replica's signatures and keys count, are left behind.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Final, NamedTuple

from msgspec.structs import replace

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.files import replace_file
from quorate.auth.keyfile import PassphraseSource
from quorate.backup.file import BackupReader, canonical_tables
from quorate.backup.verification import Anchor, Summary, verify
from quorate.config import ClientEntry, ClusterConfiguration, Settings
from quorate.core.replica import Replica
from quorate.core.tables import TablesSnapshot
from quorate.errors import BackupRefused, ConfigurationError
from quorate.folder import (
    CLIENT_FOLDER,
    CLUSTER_FILE,
    KEY_FILE,
    ClusterFolder,
    ReplicaFolder,
    create_cluster,
    load_client,
    load_cluster,
    load_key,
    load_replica,
    render_configuration,
    renew_incarnation,
)
from quorate.messages.access import ACCESS_BYTES_MAX, CLIENTS_MAX, AccessRow, Grant, decode_rows, encode_access
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import Checkpoint
from quorate.messages.records import CheckpointRecord, Record, StableRecord
from quorate.messages.tree import Path
from quorate.runtime.durability import STORAGE_FOLDER, find, owner_of, storage_of
from quorate.runtime.lifetime import MARKER_FILE, forget_start, hold_folder
from quorate.storage.log_file import sync_folder
from quorate.storage.state import StateLog
from quorate.storage.votes import FileJournal

UNFINISHED_FILE: Final = "restore.unfinished"
"""Stands in a cluster's folder while its members change over to a restored state."""


class Wanted(NamedTuple):
    """Where a new cluster's replicas are to be, and how it is to run."""

    addresses: Sequence[tuple[str, int]]
    settings: Settings
    passphrase: str | None
    """With it all private keys are encrypted."""


class Restored(NamedTuple):
    """What was made."""

    cluster: ClusterFolder
    summary: Summary
    digest: bytes
    """Of the checkpoint that every replica begins with."""
    administrator: str | None
    """The name under which the client of the folder was let in; None: it was known."""
    left_out: list[str]
    """Clients that may use the cluster, but cannot be written into `cluster.toml`."""


class Restorer:
    """Verifies a backup and makes a cluster of it."""

    def __init__(
        self, reader: BackupReader, anchor: Anchor, tell: Callable[[int], None], passphrase_of: PassphraseSource
    ) -> None:
        self._reader = reader
        self._anchor = anchor
        self._tell = tell
        self._passphrase_of = passphrase_of

    def into_new_folder(self, directory: FilePath, wanted: Wanted) -> Restored:
        """Make the folder of a new cluster, with new keys. Nothing is left behind when that fails."""
        if directory.is_symlink() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
            raise ConfigurationError(f"{directory} exists and is not an empty folder; choose another")
        summary, leaves = self._verified()
        if wanted.passphrase is not None:
            self._passphrase_of = lambda _: wanted.passphrase or ""
        parent = directory.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            holder = FilePath(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=parent))
            try:
                service = self._anchor.configuration.service
                made = create_cluster(holder / "cluster", wanted.addresses, service, wanted.settings, wanted.passphrase)
                restored = self._begin(made, replace(made.configuration, restored=True), summary, leaves)
                left_out = _list_clients(restored.cluster, restored.tables)
                _sync_all(made.path)
                made.path.rename(directory)
                sync_folder(parent)
            finally:
                shutil.rmtree(holder, ignore_errors=True)
        except OSError as error:
            raise ConfigurationError(
                f"{directory} could not be made: {error.strerror or error}; choose a place that you may write to"
            ) from error
        cluster = restored.cluster._replace(path=directory)
        return Restored(cluster, summary, restored.digest, restored.administrator, left_out)

    def into_cluster(self, directory: FilePath, may_replace: bool) -> Restored:
        """Give a stopped cluster, all of whose members are in *directory*, a new incarnation that begins with the
        backup. Until everything is made and compared nothing of the present one is touched."""
        cluster = load_cluster(directory, self._passphrase_of)
        with ExitStack() as stack:
            for folder in (directory, *cluster.replicas()):
                stack.enter_context(hold_folder(folder))
            if not may_replace and any(map(_has_run, cluster.replicas())):
                raise ConfigurationError(
                    f"{directory} holds a cluster that has run: what it holds would be gone. Back it up first; then "
                    "--replace it, or choose another folder"
                )
            summary, leaves = self._verified()
            if summary.configuration.service != cluster.configuration.service:
                raise ConfigurationError(
                    f"{directory} replicates {cluster.configuration.service}; the backup is of the service "
                    f"{summary.configuration.service}"
                )
            configuration = replace(cluster.configuration, incarnation=secrets.token_hex(16), restored=True)
            try:
                begun = self._begin(cluster, configuration, summary, leaves)
            except BaseException as error:
                _forget(cluster, configuration.incarnation)
                if isinstance(error, OSError):
                    raise ConfigurationError(f"{directory} is as it was: {error.strerror or error}") from error
                raise
            _change_over(cluster, configuration.incarnation)
        return Restored(begun.cluster, summary, begun.digest, begun.administrator, [])

    def _verified(self) -> tuple[Summary, dict[Path, bytes]]:
        leaves: dict[Path, bytes] = {}
        summary = verify(self._reader, self._anchor, leaves.__setitem__, self._tell)
        return summary, leaves

    def _begin(
        self,
        cluster: ClusterFolder,
        configuration: ClusterConfiguration,
        summary: Summary,
        leaves: dict[Path, bytes],
    ) -> _Begun:
        """Write what each replica begins with, and see that it begins with it."""
        _refuse_unfit(configuration.settings, summary.sequence_number, cluster.client())
        client, _ = load_client(cluster.client(), self._passphrase_of)
        tables, administrator = _let_in(self._reader.tables, client.public_key)
        service_digest = self._reader.description.service_digest
        digest = checkpoint_digest(service_digest, tables.digest())
        replicas = [
            ReplicaFolder(folder, settings, load_key(folder / KEY_FILE, self._passphrase_of), configuration)
            for folder, settings in (
                (folder, load_replica(folder, self._passphrase_of).settings) for folder in cluster.replicas()
            )
        ]
        message = Checkpoint(summary.sequence_number, digest, 0, 0)
        certificate = tuple(
            _authenticator(replica).seal(replace(message, replica=replica.replica_id)) for replica in replicas
        )
        records: list[Record] = [
            CheckpointRecord(summary.sequence_number, digest, service_digest, canonical_tables(tables)),
            StableRecord(summary.sequence_number, digest, certificate),
        ]
        for replica in replicas:
            _write(replica, summary.sequence_number, leaves, records)
        for replica in replicas:
            _read_back(replica, summary.sequence_number, digest)
        return _Begun(cluster._replace(configuration=configuration), digest, tables, administrator)


class _Begun(NamedTuple):
    cluster: ClusterFolder
    digest: bytes
    tables: TablesSnapshot
    administrator: str | None


def _refuse_unfit(settings: Settings, sequence_number: int, folder: FilePath) -> None:
    if settings.durability == "memory":
        raise ConfigurationError(
            f'{folder / CLUSTER_FILE} says durability = "memory", which keeps nothing that it could begin with: '
            'choose "sync" or "async"'
        )
    if sequence_number % settings.checkpoint_interval:
        raise ConfigurationError(
            f"{folder / CLUSTER_FILE} says checkpoint_interval = {settings.checkpoint_interval}, and the backup's "
            f"checkpoint {sequence_number} is no multiple of that: set the interval that the backed up cluster had"
        )


def _has_run(folder: FilePath) -> bool:
    return (folder / STORAGE_FOLDER).exists() or (folder / MARKER_FILE).exists()


def _authenticator(replica: ReplicaFolder) -> ReplicaAuthenticator:
    return ReplicaAuthenticator(replica.replica_id, replica.key_pair, replica.configuration)


def _let_in(tables: TablesSnapshot, client: bytes) -> tuple[TablesSnapshot, str | None]:
    """The tables in which the client of the restored folder is an administrator, and its new name; no name when it may
    use the cluster anyway. In the new incarnation nobody has recovered yet."""
    tables = replace(tables, recoveries=b"")
    rows = {row.grant.public_key: row for row in decode_rows(tables.access)}
    present = rows.get(client)
    if present is not None and present.revoked_at:
        raise ConfigurationError(
            "the folder's client was revoked in the history that is restored, for good: restore into a new folder"
        )
    if present is not None:
        return tables, None
    taken = {row.grant.name for row in rows.values() if not row.revoked_at}
    names = (CLIENT_FOLDER, *(f"{CLIENT_FOLDER}-{number}" for number in range(2, len(taken) + 3)))
    name = next(name for name in names if name not in taken)
    rows[client] = AccessRow(Grant(client, name, is_administrator=True))
    encoded = encode_access(tuple(rows[key] for key in sorted(rows)))
    if len(rows) > CLIENTS_MAX or len(encoded) > ACCESS_BYTES_MAX:
        raise ConfigurationError(
            "the backup's access table is full, so the folder's client cannot be let in: restore into the folder "
            "of the cluster itself, whose client is in it"
        )
    return replace(tables, access=encoded), name


def _write(replica: ReplicaFolder, number: int, leaves: dict[Path, bytes], records: list[Record]) -> None:
    """What the replica finds when it starts; on disk when this returns."""
    place = storage_of(replica)
    place.mkdir(mode=0o700, parents=True)
    owner = owner_of(replica)
    states = StateLog(place, owner)
    states.write(number, leaves)
    states.close()
    journal = FileJournal(place, owner)
    journal.append(records)
    journal.close()
    for folder in (place, place.parent, replica.path):
        sync_folder(folder)


def _read_back(replica: ReplicaFolder, number: int, digest: bytes) -> None:
    """Start the replica's rules from what was written: they have to hold just this checkpoint."""
    found = find(replica)
    try:
        rules = Replica(
            replica.replica_id, replica.configuration, found.service, _authenticator(replica), found.records
        )
        report = rules.report()
        is_right = (report.stable_checkpoint, report.state_digest) == (number, digest.hex()) and not report.needs_state
        if found.damage is not None or found.votes_lost is not None or not is_right:
            raise BackupRefused(
                f"replica {replica.replica_id} would not begin with the backup's state: "
                f"{found.damage or found.votes_lost or 'its service makes another state of it; is it of that version?'}"
            )
    finally:
        if found.keeper is not None:
            found.keeper.close()


def _list_clients(cluster: ClusterFolder, tables: TablesSnapshot) -> list[str]:
    """Write the clients that may use the cluster into every member's `cluster.toml`, so that an old client needs this
    file alone; the names of those that cannot be written."""
    entries: list[ClientEntry] = []
    left_out: list[str] = []
    for row in decode_rows(tables.access):
        grant = row.grant
        if row.revoked_at:
            continue
        try:
            prefixes = tuple(prefix.decode() for prefix in grant.prefixes)
        except UnicodeDecodeError:
            left_out.append(grant.name)
            continue
        entries.append(
            ClientEntry(grant.name, grant.public_key.hex(), grant.is_administrator, grant.is_read_only, prefixes)
        )
    text = render_configuration(replace(cluster.configuration, clients=tuple(entries)))
    for folder, _, _ in cluster.members():
        replace_file(folder / CLUSTER_FILE, text, 0o644)
    return left_out


def _change_over(cluster: ClusterFolder, incarnation: str) -> None:
    """The restored state becomes the cluster's. Until that is done a marker says so: who finds it restores again."""
    marker = cluster.path / UNFINISHED_FILE
    try:
        replace_file(marker, "A restore was not ended. Do it again: quorate restore FILE DIR --replace\n", 0o644)
        sync_folder(cluster.path)
        renew_incarnation(cluster, incarnation)
        for folder in cluster.replicas():
            forget_start(folder)
            sync_folder(folder)
        sync_folder(cluster.client())
        marker.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{cluster.path}: {error.strerror or error}; the restore is not ended: do it again"
        ) from error
    for folder in cluster.replicas():
        for place in (folder / STORAGE_FOLDER).iterdir():
            if place.name != incarnation:
                shutil.rmtree(place, ignore_errors=True)


def _forget(cluster: ClusterFolder, incarnation: str) -> None:
    """Nothing came of it: the cluster is as it was."""
    for folder in cluster.replicas():
        shutil.rmtree(folder / STORAGE_FOLDER / incarnation, ignore_errors=True)
        if (folder / STORAGE_FOLDER).is_dir() and not any((folder / STORAGE_FOLDER).iterdir()):
            (folder / STORAGE_FOLDER).rmdir()


def _sync_all(folder: FilePath) -> None:
    """See that the names below a folder are on disk; the files are."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    sync_folder(folder)

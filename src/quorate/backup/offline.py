"""Backing up from the folder of one stopped replica: its stable checkpoint, if a quorum's signatures are with it."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import BinaryIO

from quorate.auth.keyfile import PassphraseSource
from quorate.backup.certificate import Epochs, Target, Voucher, public_part
from quorate.backup.file import BackupWriter, describe
from quorate.backup.gathering import Gathering
from quorate.backup.live import Progress, Result, Tell
from quorate.config import ClusterConfiguration
from quorate.core.tables import decode_snapshot
from quorate.errors import BackupRefused, ConfigurationError, StorageDamaged
from quorate.folder import REPLICA_FILE, ReplicaFolder, load_replica
from quorate.messages.protocol import BACKUP_PATHS_MAX
from quorate.messages.records import CheckpointRecord, Record, StableRecord
from quorate.runtime.durability import owner_of, storage_of
from quorate.runtime.lifetime import hold_folder
from quorate.services.loading import load_service
from quorate.storage.state import StateLog
from quorate.storage.votes import FileJournal


def is_replicas_folder(folder: FilePath) -> bool:
    """Whether a folder is one replica's."""
    return (folder / REPLICA_FILE).exists()


def back_up_folder(folder: FilePath, file: BinaryIO, tell: Tell, passphrase_of: PassphraseSource) -> Result:
    """Write what a stopped replica kept to *file*; its folder stays as it is. Raises ConfigurationError when it runs,
    BackupRefused when what it kept is damaged or its certificate is none for just this state."""
    replica = load_replica(folder, passphrase_of)
    with hold_folder(folder):
        try:
            return _write(replica, file, tell)
        except (BackupRefused, StorageDamaged) as error:
            raise BackupRefused(f"{folder}: {error}; take another replica's folder") from None


def _write(replica: ReplicaFolder, file: BinaryIO, tell: Tell) -> Result:
    journal = FileJournal(storage_of(replica), owner_of(replica))
    try:
        journal.load()
    except FileNotFoundError:
        raise ConfigurationError(f"{journal.path} does not exist: this replica has kept nothing") from None
    checkpoint, stable = _checkpoint_of(journal.records(), replica.path)
    service = load_service(replica.configuration.service, replica.configuration.settings)
    states = StateLog(journal.path.parent, owner_of(replica))
    service.install(stable.sequence_number, states.load(stable.sequence_number).leaves)
    target = Target(stable.sequence_number, stable.digest)
    tables = decode_snapshot(checkpoint.tables)
    certificate, signers = _certificate_of(stable, Epochs(tables), replica.configuration)
    description = describe(public_part(replica.configuration), target, checkpoint.service_digest, certificate)
    writer = BackupWriter(file, description, tables)
    gathering = Gathering(checkpoint.service_digest)
    nodes = 0
    while paths := gathering.take(BACKUP_PATHS_MAX):
        for path in paths:
            if not gathering.put(path, service.fetch(target.sequence_number, path) or b""):
                raise BackupRefused("its state is not the one that was signed")
        for node in gathering.come_out():
            writer.add(node.kind, node.data)
            nodes += 1
        tell(Progress("reading", nodes, writer.written))
    writer.end()
    return Result(target, signers, [], writer.written)


def _certificate_of(
    stable: StableRecord, epochs: Epochs, configuration: ClusterConfiguration
) -> tuple[tuple[bytes, ...], list[int]]:
    """The signatures under just this checkpoint. A laggard's may be under later ones (CP-5): they say nothing of it."""
    target = Target(stable.sequence_number, stable.digest)
    voucher = Voucher(configuration)
    signers = ((voucher.signer(target, epochs, frame), frame) for frame in stable.certificate)
    signed = {signer: frame for signer, frame in signers if signer is not None}
    try:
        quorum = voucher.require_quorum(target, epochs, signed.values())
    except BackupRefused as error:
        raise BackupRefused(f"checkpoint {target.sequence_number}: {error}") from None
    return tuple(signed[signer] for signer in quorum), quorum


def _checkpoint_of(records: list[Record], folder: FilePath) -> tuple[CheckpointRecord, StableRecord]:
    stable = next((record for record in records if isinstance(record, StableRecord)), None)
    for record in records:
        if stable and isinstance(record, CheckpointRecord) and record.sequence_number == stable.sequence_number:
            return record, stable
    raise ConfigurationError(f"{folder}: this replica has no stable checkpoint yet; back up the living cluster")

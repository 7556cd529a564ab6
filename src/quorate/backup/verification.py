"""Whether a backup is what a cluster's quorum vouches for: every digest anew, with keys that the operator gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import NamedTuple

from msgspec.structs import replace

from quorate.backup.certificate import Epochs, Voucher, fingerprint
from quorate.backup.file import BackupReader
from quorate.config import ClusterConfiguration
from quorate.core.access import AccessTable
from quorate.core.tables import ReplicatedTables
from quorate.errors import BackupRefused, ConfigurationError, MalformedMessage
from quorate.folder import CLUSTER_FILE, client_folder_of, load_configuration
from quorate.messages.access import AccessRow, decode_rows
from quorate.messages.tree import Path
from quorate.services.redis.operation import DATABASES


class Anchor(NamedTuple):
    """What is believed of a cluster, and why."""

    configuration: ClusterConfiguration
    source: str
    """Whose keys they are, in words."""


class Summary(NamedTuple):
    """What a backup holds, and who vouches for it."""

    configuration: ClusterConfiguration
    """As the file says."""
    source: str
    sequence_number: int
    digest: bytes
    signers: list[int]
    time: int
    """The agreed time of the checkpoint, in microseconds since 1970."""
    clients: list[AccessRow]
    sessions: int
    leaves: int
    state_bytes: int
    keys: int | None
    """None: only the service can tell."""
    file_bytes: int


def configuration_at(path: FilePath) -> ClusterConfiguration:
    """The public configuration at *path*: a `cluster.toml`, or a folder of a member or of a cluster, with one in it."""
    if not path.is_dir() and path.name != CLUSTER_FILE:
        raise ConfigurationError(
            f"{path} is no folder and no {CLUSTER_FILE}: name one of these, of the backup's cluster"
        )
    return load_configuration(client_folder_of(path) if path.is_dir() else path.parent)


def anchor_of(reader: BackupReader, keys: FilePath | None, wanted_fingerprint: str | None) -> Anchor:
    """What the operator believes of the cluster whose backup it is. Raises ConfigurationError and BackupRefused."""
    own = fingerprint(reader.configuration)
    if keys is not None:
        configuration = configuration_at(keys)
        _compare(reader, configuration, keys)
        return Anchor(configuration, f"the public keys in {keys}")
    if wanted_fingerprint is None:
        raise ConfigurationError(
            f"{reader.name}: nothing proves whose backup it is: give the cluster's own --keys DIR, or, where they are "
            f"lost, the --fingerprint that `quorate backup` printed; the file says {own}"
        )
    if wanted_fingerprint.lower() != own:
        raise reader.refused(f"the fingerprint of its cluster is {own}, not {wanted_fingerprint}")
    return Anchor(reader.configuration, "the public keys in the file, whose fingerprint was given")


def _compare(reader: BackupReader, configuration: ClusterConfiguration, keys: FilePath) -> None:
    """The operator's keys say who may vouch; that the file speaks of another cluster is told before that."""
    theirs = reader.configuration
    if theirs.cluster_id != configuration.cluster_id:
        raise reader.refused(f"it is of the cluster {theirs.cluster_id}; {keys} is of {configuration.cluster_id}")
    if [one.public_key for one in theirs.replicas] != [one.public_key for one in configuration.replicas]:
        raise reader.refused(f"its replicas have other public keys than those in {keys}")
    if theirs.service != configuration.service:
        raise reader.refused(f"it is of the service {theirs.service}; {keys} says {configuration.service}")


@contextmanager
def open_backup(path: FilePath) -> Iterator[BackupReader]:
    """Read a backup's beginning. Raises ConfigurationError when it is none."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; name a backup's file") from error
    with file:
        yield BackupReader(file, str(path))


def verify(
    reader: BackupReader, anchor: Anchor, take: Callable[[Path, bytes], None], tell: Callable[[int], None]
) -> Summary:
    """Check the certificate, then every byte. *take* gets each leaf; none of it is to be used before this returns.

    Raises BackupRefused."""
    theirs = reader.configuration
    believed = replace(anchor.configuration, incarnation=theirs.incarnation)  # which the signatures cover
    clients, sessions, epochs = _tables_of(reader)
    try:
        signers = Voucher(believed).require_quorum(reader.description.target, epochs, reader.description.certificate)
    except BackupRefused as error:
        raise reader.refused(f"{error}, by {anchor.source}") from None
    leaves = size = keys = 0
    for path, data in reader.leaves():
        take(path, data)
        leaves, size, keys = leaves + 1, size + len(data), keys + _keys_of(path, data)
        tell(reader.position)
    return Summary(
        configuration=theirs,
        source=anchor.source,
        sequence_number=reader.description.sequence_number,
        digest=reader.description.digest,
        signers=signers,
        time=reader.tables.time,
        clients=clients,
        sessions=sessions,
        leaves=leaves,
        state_bytes=size,
        keys=keys if theirs.service == "redis" else None,
        file_bytes=reader.size,
    )


def _tables_of(reader: BackupReader) -> tuple[list[AccessRow], int, Epochs]:
    """The rows of the access table, how many sessions are open, and the replicas' recovery epochs."""
    tables = ReplicatedTables(AccessTable(()), 1)
    try:
        tables.restore(reader.tables)
        return list(decode_rows(reader.tables.access)), tables.session_count(), Epochs(reader.tables)
    except MalformedMessage as error:
        raise reader.refused(f"its tables are those of another version of Quorate: {error}") from None


def _keys_of(path: Path, data: bytes) -> int:
    """How many keys a leaf of a Redis database has: the header of a msgpack array says so."""
    if not path or path[0] >= DATABASES or not data:
        return 0
    match data[0]:
        case 0xDC:
            return int.from_bytes(data[1:3], "big") // 2
        case 0xDD:
            return int.from_bytes(data[1:5], "big") // 2
        case first:
            return (first & 0x0F) // 2

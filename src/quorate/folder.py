"""The folders that `quorate init` makes: one a replica, one for a client, each with all that its owner needs.

DIR/replica-0/cluster.toml   who the members are and how the cluster behaves; equal at every member
DIR/replica-0/replica.toml   which of them this is
DIR/replica-0/private.key    what proves it; readable by its owner alone
DIR/client/cluster.toml, private.key
With TLS also, in each:  tls.pem, authority.pem; and in DIR/authority the key that signs certificates
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import tomli_w
from msgspec import Struct

from quorate.auth.certificates import AUTHORITY_FILE, Authority, write_certificate
from quorate.auth.files import replace_file, write_new
from quorate.auth.keyfile import PassphraseSource, new_salt, read_seed, render_key
from quorate.auth.keys import SEED_BYTES, KeyPair
from quorate.config import FORMAT, SETTING_COMMENTS, ClientEntry, ClusterConfiguration, Member, Settings
from quorate.errors import ConfigurationError
from quorate.messages.protocol import REPLICAS_MAX, ReplicaId

CLUSTER_FILE: Final = "cluster.toml"
REPLICA_FILE: Final = "replica.toml"
KEY_FILE: Final = "private.key"
CLIENT_FOLDER: Final = "client"
AUTHORITY_FOLDER: Final = "authority"


class ReplicaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What `replica.toml` holds: the part of the configuration that differs from replica to replica."""

    replica_id: ReplicaId
    listen_host: str | None = None
    """The address to bind, where it is not the host that the others know this replica by."""
    format: int = FORMAT


class ReplicaFolder(NamedTuple):
    """A replica's folder, read and checked."""

    path: Path
    settings: ReplicaSettings
    key_pair: KeyPair
    configuration: ClusterConfiguration

    @property
    def replica_id(self) -> int:
        """Which replica this is."""
        return self.settings.replica_id


class ClusterFolder(NamedTuple):
    """A folder that holds all members of a cluster, as `quorate init` leaves it."""

    path: Path
    configuration: ClusterConfiguration

    def replica(self, replica_id: int) -> Path:
        """The folder of one replica."""
        return self.path / f"replica-{replica_id}"

    def replicas(self) -> list[Path]:
        """The folders of all replicas, in the order of their ids."""
        return [self.replica(replica_id) for replica_id in range(self.configuration.replica_count)]

    def client(self) -> Path:
        """The client's folder."""
        return self.path / CLIENT_FOLDER

    def authority(self) -> Path:
        """The folder of what signs certificates. Only a cluster with TLS has one, and it may be kept elsewhere."""
        return self.path / AUTHORITY_FOLDER

    def members(self) -> list[tuple[Path, str, str | None]]:
        """Everyone's folder, name, and host where that is known."""
        hosts = [member.host for member in self.configuration.replicas]
        replicas = [
            (folder, f"replica {number}", host)
            for number, (folder, host) in enumerate(zip(self.replicas(), hosts, strict=True))
        ]
        return [*replicas, (self.client(), f"client {CLIENT_FOLDER}", None)]


# ------------------------------------------------------------------------------------------------ making


def create_cluster(
    directory: Path,
    addresses: Sequence[tuple[str, int]],
    service: str,
    settings: Settings,
    passphrase: str | None = None,
) -> ClusterFolder:
    """Make the folders of a new cluster, a replica an address. Nothing is left behind when that fails.

    With a *passphrase* all private keys are encrypted with it.
    """
    if not 1 <= len(addresses) <= REPLICAS_MAX:
        raise ConfigurationError(f"a cluster has 1 to {REPLICAS_MAX} replicas, not {len(addresses)}")
    if len(set(addresses)) != len(addresses):
        raise ConfigurationError("two replicas share an address; give each a port of its own")
    seeds = [secrets.token_bytes(SEED_BYTES) for _ in addresses]
    client_seed = secrets.token_bytes(SEED_BYTES)
    configuration = ClusterConfiguration(
        cluster_id=secrets.token_hex(16),
        incarnation=secrets.token_hex(16),
        service=service,
        replicas=tuple(
            Member(host, port, KeyPair(seed).public_key.hex())
            for (host, port), seed in zip(addresses, seeds, strict=True)
        ),
        clients=(ClientEntry(CLIENT_FOLDER, KeyPair(client_seed).public_key.hex(), administrator=True),),
        settings=settings,
    )
    cluster = ClusterFolder(directory, configuration)
    _refuse_existing(directory)
    try:
        _make_whole(cluster, [*seeds, client_seed], passphrase)
    except OSError as error:
        raise ConfigurationError(
            f"{directory} could not be made: {error.strerror or error}; choose a place that you may write to"
        ) from error
    return cluster


def create_client(
    folder: Path,
    configuration: ClusterConfiguration,
    entry: ClientEntry,
    passphrase: str | None = None,
    certify: Callable[[Path, KeyPair], None] | None = None,
) -> ClientEntry:
    """Make the folder of a new client with a new key pair; *entry* with the public key. Of the clients, its
    `cluster.toml` lists itself alone: who else may use the cluster stands in the replicated access table.

    With TLS, *certify* puts into a folder what its owner proves itself with."""
    key_pair = KeyPair(seed := secrets.token_bytes(SEED_BYTES))
    entry = msgspec.structs.replace(entry, public_key=key_pair.public_key.hex())
    text = render_configuration(msgspec.structs.replace(configuration, clients=(entry,)))

    def fill(temporary: Path) -> None:
        write_new(temporary / KEY_FILE, render_key(seed, passphrase, new_salt()), 0o600)
        write_new(temporary / CLUSTER_FILE, text, 0o644)
        if certify is not None:
            certify(temporary, key_pair)

    _refuse_existing(folder)
    try:
        _make_whole_folder(folder, fill)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} could not be made: {error.strerror or error}; choose a place that you may write to"
        ) from error
    return entry


def _refuse_existing(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
        raise ConfigurationError(
            f"{directory} exists and is not an empty folder; choose another, or remove it yourself"
        )


def _make_whole(cluster: ClusterFolder, seeds: Sequence[bytes], passphrase: str | None) -> None:
    text = render_configuration(cluster.configuration)

    def fill(temporary: Path) -> None:
        made = cluster._replace(path=temporary)
        salt = new_salt()
        for (folder, _, _), seed in zip(made.members(), seeds, strict=True):
            _make_folder(folder, render_key(seed, passphrase, salt))
            write_new(folder / CLUSTER_FILE, text, 0o644)
        for replica_id, folder in enumerate(made.replicas()):
            write_new(folder / REPLICA_FILE, _render_replica_settings(replica_id), 0o644)
        if cluster.configuration.settings.transport == "tls":
            seed = secrets.token_bytes(SEED_BYTES)
            authority = Authority(seed)
            _make_folder(made.authority(), render_key(seed, passphrase, salt))
            write_new(made.authority() / AUTHORITY_FILE, authority.pem, 0o644)
            for (folder, name, host), seed in zip(made.members(), seeds, strict=True):
                write_certificate(folder, authority, name, host, KeyPair(seed))

    _make_whole_folder(cluster.path, fill)


def _make_whole_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Everything in a temporary folder beside, then one rename, which fails if a filled folder stands there by now."""
    parent = path.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=parent))
    try:
        fill(temporary)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _make_folder(folder: Path, key: str) -> None:
    folder.mkdir()
    folder.chmod(0o700)
    write_new(folder / KEY_FILE, key, 0o600)


def render_configuration(configuration: ClusterConfiguration) -> str:
    """The text of `cluster.toml`, with a comment beside whatever is not plain."""
    lines = [
        "# A Quorate cluster: who its members are and how it behaves. This file is equal at every member.",
        tomli_w.dumps({"format": configuration.format}),
        "\n# What signatures and MACs are bound to. The incarnation is new whenever the cluster starts anew.",
        tomli_w.dumps({"cluster_id": configuration.cluster_id, "incarnation": configuration.incarnation}),
        tomli_w.dumps({"restored": configuration.restored}),
        '\n# What is replicated: "redis", "counter", or "module:Class".',
        tomli_w.dumps({"service": configuration.service}),
        "\n# One value for the whole cluster: change it in every member's file, with all replicas stopped.",
        "[settings]\n",
    ]
    for name, value in msgspec.structs.asdict(configuration.settings).items():
        comment = f"  # {SETTING_COMMENTS[name]}" if name in SETTING_COMMENTS else ""
        lines.append(tomli_w.dumps({name: value}).rstrip() + comment)
    for replica_id, member in enumerate(configuration.replicas):
        lines.append(f"\n[[replicas]]  # replica {replica_id}\n")
        lines.append(tomli_w.dumps(msgspec.structs.asdict(member)))
    for client in configuration.clients:
        lines.append("\n[[clients]]  # from the beginning; who is let in later stands in the replicated access table\n")
        lines.append(tomli_w.dumps(msgspec.structs.asdict(client)))
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _render_replica_settings(replica_id: int) -> str:
    return (
        f"# What this replica alone has.\nformat = {FORMAT}\nreplica_id = {replica_id}\n"
        '# listen_host = "0.0.0.0"  # what to bind, where it is not the host that the others know this replica by\n'
    )


def renew_incarnation(cluster: ClusterFolder, restored: str | None = None) -> ClusterFolder:
    """Start a new history: rewrite the incarnation in every member's `cluster.toml` and leave the rest as it is. It
    starts empty, or is *restored*, an incarnation that the replicas' storage holds a backup for.

    All replicas have to be stopped. A failure half way leaves files that differ; doing it again mends them.
    """
    incarnation = restored or secrets.token_hex(16)
    lines = rf'\g<1>"{incarnation}"' + f"\nrestored = {'true' if restored else 'false'}"
    for folder in [*cluster.replicas(), cluster.client()]:
        path = folder / CLUSTER_FILE
        text, replaced = re.subn(
            r'^(\s*incarnation\s*=\s*)(["\'])[0-9a-f]{32}\2',
            lines,
            re.sub(r"^\s*restored\s*=.*\n", "", _read_text(path), flags=re.MULTILINE),
            flags=re.MULTILINE,
        )
        if replaced != 1:
            raise ConfigurationError(f'{path}: one line has to say `incarnation = "…"`; {_COPY_REMEDY}')
        try:
            replace_file(path, text, stat.S_IMODE(path.stat().st_mode))
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written: {error.strerror}; a new start of the cluster rewrites it in every folder"
            ) from error
    begun = msgspec.structs.replace(cluster.configuration, incarnation=incarnation, restored=restored is not None)
    return cluster._replace(configuration=begun)


# ----------------------------------------------------------------------------------------------- reading

_COPY_REMEDY: Final = "correct it, or copy the file from another member: all have the same"
_Loaded = TypeVar("_Loaded", ClusterConfiguration, ReplicaSettings)


def client_folder_of(path: str | os.PathLike[str]) -> Path:
    """A client's folder: *path*, or `client` in it where it is the cluster's."""
    folder = Path(path)
    inside = not (folder / CLUSTER_FILE).exists() and (folder / CLIENT_FOLDER).is_dir()
    return folder / CLIENT_FOLDER if inside else folder


def load_client(
    path: str | os.PathLike[str], passphrase_of: PassphraseSource | None = None
) -> tuple[KeyPair, ClusterConfiguration]:
    """The key and the configuration of a client: *path* is its folder, or the cluster's folder with `client` in it."""
    folder = client_folder_of(path)
    configuration = load_configuration(folder)
    key_pair = load_key(folder / KEY_FILE, passphrase_of)
    public_key = key_pair.public_key.hex()
    if all(client.public_key != public_key for client in configuration.clients):
        raise ConfigurationError(
            f"{folder / KEY_FILE} is not the key of a client of this cluster ({folder / CLUSTER_FILE} lists them); "
            "use the folder `client` that `quorate init` made"
        )
    return key_pair, configuration


def load_replica(path: str | os.PathLike[str], passphrase_of: PassphraseSource | None = None) -> ReplicaFolder:
    """The folder of one replica, checked: its key is the one that the others know it by."""
    folder = Path(path)
    if not (folder / CLUSTER_FILE).exists() and (folder / "replica-0").is_dir():
        raise ConfigurationError(
            f"{folder} holds a whole cluster; name one replica's folder, such as {folder}/replica-0"
        )
    configuration = load_configuration(folder)
    settings = _load(folder / REPLICA_FILE, ReplicaSettings, "correct it")
    if settings.replica_id >= configuration.replica_count:
        raise ConfigurationError(
            f"{folder / REPLICA_FILE}: replica_id is {settings.replica_id}, but the cluster has the replicas "
            f"0 to {configuration.replica_count - 1}; correct it"
        )
    key_pair = load_key(folder / KEY_FILE, passphrase_of)
    if key_pair.public_key.hex() != configuration.replicas[settings.replica_id].public_key:
        raise ConfigurationError(
            f"{folder / KEY_FILE} is not the key of replica {settings.replica_id} in {folder / CLUSTER_FILE}; "
            "restore the folder that `quorate init` made for it"
        )
    return ReplicaFolder(folder, settings, key_pair, configuration)


def load_cluster(path: str | os.PathLike[str], passphrase_of: PassphraseSource | None = None) -> ClusterFolder:
    """A folder with all members of a cluster in it. Their configurations are equal, but for the incarnation."""
    directory = Path(path)
    _, configuration = load_client(directory / CLIENT_FOLDER, passphrase_of)
    cluster = ClusterFolder(directory, configuration)
    for replica_id, folder in enumerate(cluster.replicas()):
        replica = load_replica(folder, passphrase_of)
        if replica.replica_id != replica_id:
            raise ConfigurationError(f"{folder / REPLICA_FILE} is that of replica {replica.replica_id}; restore it")
        own = msgspec.structs.replace(configuration, incarnation="0" * 32, restored=False)
        if msgspec.structs.replace(replica.configuration, incarnation="0" * 32, restored=False) != own:
            raise ConfigurationError(
                f"{folder / CLUSTER_FILE} and {cluster.client() / CLUSTER_FILE} differ; {_COPY_REMEDY}"
            )
    return cluster


def load_configuration(folder: Path) -> ClusterConfiguration:
    """What a member's folder says of the cluster, for those who have no key of it."""
    return _load(folder / CLUSTER_FILE, ClusterConfiguration, _COPY_REMEDY)


def _load(path: Path, kind: type[_Loaded], remedy: str) -> _Loaded:
    try:
        content: dict[str, Any] = tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}; {remedy}") from None
    except (RecursionError, ValueError) as error:  # lists in lists without end, a number of thousands of digits
        raise ConfigurationError(f"{path} cannot be read: {error}; {remedy}") from None
    written = content.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise ConfigurationError(
            f"{path} has format {written}; this version of Quorate reads format {FORMAT}: use a newer version"
        )
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {_describe(error)}; {remedy}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _describe(error: msgspec.ValidationError) -> str:
    """msgspec's `what - at `$.field``, the field first."""
    what, separator, where = str(error).partition(" - at `$.")
    return f"{where.rstrip('`')}: {what}" if separator else what


def load_key(path: Path, passphrase_of: PassphraseSource | None = None) -> KeyPair:
    """The private key that a file holds; without a source the environment is asked for its passphrase."""
    return KeyPair(read_seed(path, passphrase_of))


def _remedy_for_missing(path: Path) -> str:
    """A folder that holds other files of a member has lost one; what holds none is no member's folder."""
    if path.name == REPLICA_FILE:
        return "restore it: it says which replica this is"
    if any((path.parent / name).exists() for name in (KEY_FILE, REPLICA_FILE)):
        return "copy the file from another member: all have the same"
    return "`quorate init` makes the folders of a cluster, `quorate up` makes them and starts it; then name that folder"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; {_remedy_for_missing(path)}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text; restore its copy") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error

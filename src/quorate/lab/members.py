"""What a laboratory's folder has besides: the keys of a second caller, and of a client that lies.

DIR/lab/caller.key   a client of its own for the workload: what is done to one client, the other must not feel
DIR/lab/liar.key     the client that lies

A cluster's folder is made as a laboratory or is none: nobody's own data shall be where traitors are made.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from quorate.auth.files import write_new
from quorate.auth.keys import SEED_BYTES, KeyPair
from quorate.config import ClientEntry, ClusterConfiguration
from quorate.errors import ConfigurationError
from quorate.folder import CLUSTER_FILE, ClusterFolder, load_client, load_cluster, render_configuration

LAB_FOLDER: Final = "lab"
CALLER: Final = "lab-caller"
LIAR: Final = "lab-liar"
_REMEDY: Final = "make one with `quorate up --lab --dir` and a new folder"


class Laboratory(NamedTuple):
    """A laboratory's folder, read and checked."""

    cluster: ClusterFolder
    callers: tuple[KeyPair, ...]
    """The clients of the workload."""
    liar: KeyPair

    @property
    def configuration(self) -> ClusterConfiguration:
        """Who the members are."""
        return self.cluster.configuration


def is_laboratory(directory: Path) -> bool:
    """Whether the cluster of *directory* was made as a laboratory."""
    return _key_file(directory, LIAR).exists()


def make_laboratory(cluster: ClusterFolder) -> ClusterFolder:
    """Make a laboratory of a cluster that was made a moment ago and never ran."""
    seeds = {name: secrets.token_bytes(SEED_BYTES) for name in (CALLER, LIAR)}
    entries = [ClientEntry(name, KeyPair(seed).public_key.hex()) for name, seed in seeds.items()]
    clients = (*cluster.configuration.clients, *entries)
    configuration = msgspec.structs.replace(cluster.configuration, clients=clients)
    text = render_configuration(configuration)
    for folder in [*cluster.replicas(), cluster.client()]:
        (folder / CLUSTER_FILE).write_text(text, encoding="utf-8")
    (cluster.path / LAB_FOLDER).mkdir(mode=0o700)
    for name, seed in seeds.items():
        write_new(_key_file(cluster.path, name), f"{seed.hex()}\n", 0o600)
    return cluster._replace(configuration=configuration)


def load_laboratory(directory: Path) -> Laboratory:
    """The laboratory of *directory*."""
    if not directory.exists():
        raise ConfigurationError(f"{directory} does not exist; start a laboratory: quorate up --lab --dir {directory}")
    cluster = load_cluster(directory)
    if not is_laboratory(directory):
        raise ConfigurationError(f"{directory} is no laboratory, and no replica of it can be turned: {_REMEDY}")
    own, _ = load_client(directory)
    return Laboratory(cluster, (own, _load_key(directory, CALLER)), _load_key(directory, LIAR))


def _key_file(directory: Path, name: str) -> Path:
    return directory / LAB_FOLDER / f"{name.removeprefix('lab-')}.key"


def _load_key(directory: Path, name: str) -> KeyPair:
    path = _key_file(directory, name)
    try:
        return KeyPair(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except (OSError, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"{path} is no key ({error}); {_REMEDY}") from None

"""A new history of a cluster: what `quorate up` does by itself, and `quorate init --renew` for several machines."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from quorate.auth.certificates import AUTHORITY_FILE, CERTIFICATE_FILE, open_authority, renew_certificate
from quorate.auth.keyfile import read_seed
from quorate.cli.output import say
from quorate.cli.passphrase import ask_passphrase
from quorate.errors import ConfigurationError
from quorate.folder import CLUSTER_FILE, KEY_FILE, ClusterFolder, load_cluster, load_key, renew_incarnation
from quorate.runtime.durability import forget_storage
from quorate.runtime.lifetime import forget_start, hold_folder

REMEDY: Final = (
    "if the whole cluster was stopped, what it held is gone; start it anew, empty: stop all replicas, run "
    "`quorate init DIR --renew` and copy the files as it says (`quorate up` does that by itself)"
)


def start_new_history(cluster: ClusterFolder) -> ClusterFolder:
    """Give the members of *cluster*, none of which runs, an incarnation in which nobody has voted."""
    renewed = renew_incarnation(cluster)
    for folder in cluster.replicas():
        forget_start(folder)
        forget_storage(folder)
    return renewed


def renew(directory: Path) -> None:
    """Renew the cluster in *directory* and say what to copy where. Refuses while a process holds one of its folders."""
    cluster = load_cluster(directory, ask_passphrase)
    with ExitStack() as stack:
        for folder in (directory, *cluster.replicas()):
            stack.enter_context(hold_folder(folder))
        start_new_history(cluster)
    say(f"{directory} has a new incarnation, which starts empty; keys, addresses and settings are as they were")
    _explain(cluster)


def _explain(cluster: ClusterFolder) -> None:
    say(f"Stop every replica and client, then copy the new {CLUSTER_FILE} over the old one on each machine:")
    for replica_id, (folder, member) in enumerate(zip(cluster.replicas(), cluster.configuration.replicas, strict=True)):
        say(f"  {folder / CLUSTER_FILE}  to {member.host}, into the folder of replica {replica_id}")
    say(f"  {cluster.client() / CLUSTER_FILE}  to wherever a client or a gateway runs, into the client's folder")
    say("and start them. Who still has the old file is refused by the others.")


def renew_certificates(directory: Path) -> None:
    """Have the authority of the cluster in *directory* sign new certificates, and say what to copy where."""
    cluster = load_cluster(directory, ask_passphrase)
    if cluster.configuration.settings.transport != "tls":
        raise ConfigurationError(f"{directory} holds a cluster without TLS, which needs no certificates")
    authority = open_authority(cluster.authority(), read_seed(cluster.authority() / KEY_FILE, ask_passphrase))
    for folder, _, _ in cluster.members():
        authority.refuse_unless_believed(folder / AUTHORITY_FILE)
    try:
        for folder, name, host in cluster.members():
            renew_certificate(folder, authority, name, host, load_key(folder / KEY_FILE, ask_passphrase))
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: a certificate cannot be written: {error.strerror}; doing it again mends what is half done"
        ) from error
    say(f"{directory} has new certificates, signed by {cluster.authority()}")
    say(f"Copy {CERTIFICATE_FILE} of each folder over the old one, one member after the other:")
    for folder, name, host in cluster.members():
        say(f"  {folder}  {name}" + ("" if host is None else f" at {host}"))
    say("A member that runs takes it for its next connections; it need not be stopped.")

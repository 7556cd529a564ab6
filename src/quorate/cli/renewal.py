"""A new history of a cluster: what `quorate up` does by itself, and `quorate init --renew` for several machines."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from quorate.cli.output import say
from quorate.folder import CLUSTER_FILE, ClusterFolder, load_cluster, renew_incarnation
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
    cluster = load_cluster(directory)
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

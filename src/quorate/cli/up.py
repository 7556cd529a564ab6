"""`quorate up`: a whole cluster on this machine, in one foreground command."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

import click
import uvloop

from quorate.backup.restore import UNFINISHED_FILE
from quorate.cli.addresses import LOOPBACK, PORT_MAX, TAKEN, free_ports, hold, parse_address, why_not_free
from quorate.cli.init import describe_group
from quorate.cli.output import say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.cli.renewal import start_new_history
from quorate.cli.supervisor import Gateway, Supervisor
from quorate.config import ClusterConfiguration, Settings
from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError
from quorate.folder import (
    CLIENT_FOLDER,
    CLUSTER_FILE,
    ClusterFolder,
    create_cluster,
    load_cluster,
    load_replica,
)
from quorate.lab.members import is_laboratory, make_laboratory
from quorate.messages.protocol import REPLICAS_MAX
from quorate.runtime.lifetime import has_started, hold_folder, is_running
from quorate.services.loading import load_service

DEFAULT_REPLICAS: Final = 4
DEFAULT_SERVICE: Final = "redis"
DEFAULT_DURABILITY: Final = "sync"
Durability = Literal["sync", "async", "memory"]


class Wanted(NamedTuple):
    """What the command line asks of the cluster; None where it leaves that to the folder, or to the defaults."""

    replicas: int | None
    service: str | None
    durability: Durability | None
    lab: bool
    tls: bool


@click.command()
@click.option(
    "--replicas",
    type=click.IntRange(1, REPLICAS_MAX),
    help=f"How many replicas, when the folder is made.  [default: {DEFAULT_REPLICAS}]",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("quorate-data"),
    show_default=True,
    help="The cluster's folder; made when there is none.",
)
@click.option("--redis", default=f"{LOOPBACK}:6379", show_default=True, help="Where Redis clients connect.")
@click.option("--no-redis", is_flag=True, help="No gateway for Redis clients.")
@click.option("--fresh", is_flag=True, help="Start from an empty state, whatever the folder holds.")
@click.option(
    "--service", help=f"redis, counter, or module:Class, when the folder is made.  [default: {DEFAULT_SERVICE}]"
)
@click.option(
    "--durability",
    type=click.Choice(["sync", "async", "memory"]),
    help=f"Where votes and state are kept, when the folder is made.  [default: {DEFAULT_DURABILITY}]",
)
@click.option("--tls", is_flag=True, help="TLS between all processes, when the folder is made.")
@passphrase_option
@click.option("--lab", is_flag=True, help="A laboratory: `quorate attack` can turn its replicas into traitors.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What the replicas and the gateway tell on standard error.",
)
def up(
    replicas: int | None,
    directory: Path,
    redis: str,
    no_redis: bool,
    fresh: bool,
    service: str | None,
    durability: Durability | None,
    tls: bool,
    lab: bool,
    log_level: str,
) -> None:
    """Start a cluster on this machine: a process for each replica, and a gateway that speaks the Redis protocol.

    Runs until Ctrl-C or SIGTERM, which stops everything. A process that ends is reported and not started again.

    \b
    Example:  quorate up --replicas 7 --redis 127.0.0.1:6380

    Exit codes: 0 stopped by Ctrl-C or SIGTERM; 1 the cluster did not come up, or all replicas ended; 2 an option
    or the folder is wrong, or a port is taken.
    """
    if tls and lab:
        raise ConfigurationError("a laboratory's callers have no certificates: leave out --tls, or --lab")
    found = _find_cluster(directory, Wanted(replicas, service, durability, lab, tls))
    replicated = (service or DEFAULT_SERVICE) if found is None else found.configuration.service
    gateway = None if no_redis or replicated != "redis" else _gateway(redis)
    kept = durability or ("memory" if lab else DEFAULT_DURABILITY)  # what a traitor keeps is nothing to begin from
    cluster = found or _make_cluster(directory, Wanted(replicas, replicated, kept, lab, tls))
    with hold_folder(directory):
        cluster = _prepare(cluster, fresh, gateway)
        sys.exit(uvloop.run(_run(cluster, gateway, log_level, lab)))


def _find_cluster(directory: Path, wanted: Wanted) -> ClusterFolder | None:
    """The cluster of *directory*, if there is one."""
    try:
        if not directory.is_dir() or not any(directory.iterdir()):
            return None
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be read: {error.strerror}; choose another --dir") from error
    if not any((directory / name).exists() for name in (CLIENT_FOLDER, "replica-0")):
        raise ConfigurationError(f"{directory} is not empty, and no cluster's folder; choose another --dir")
    if (directory / UNFINISHED_FILE).exists():
        raise ConfigurationError(f"{directory}: a restore was not ended: do it again, quorate restore FILE {directory}")
    cluster = load_cluster(directory, ask_passphrase)
    _compare(directory, cluster.configuration, wanted)
    with hold_folder(directory):  # where it runs already, that says more than a taken port
        _load_service_of(cluster)
    return cluster


def _load_service_of(cluster: ClusterFolder) -> None:
    try:
        load_service(cluster.configuration.service)
    except ConfigurationError as error:
        raise ConfigurationError(f"{cluster.client() / CLUSTER_FILE}: {error}") from error


def _make_cluster(directory: Path, wanted: Wanted) -> ClusterFolder:
    """A new cluster, on free ports of this machine."""
    replicas, service = wanted.replicas or DEFAULT_REPLICAS, wanted.service or DEFAULT_SERVICE
    load_service(service)
    addresses = [(LOOPBACK, port) for port in free_ports(replicas)]
    settings = Settings(durability=wanted.durability or DEFAULT_DURABILITY, transport="tls" if wanted.tls else "tcp")
    cluster = create_cluster(directory, addresses, service, settings)
    say(f"made {directory}: keys and addresses of {replicas} replicas and a client")
    if not quorums_of(replicas).faults:
        say(f"it has {describe_group(replicas)}")
    return make_laboratory(cluster) if wanted.lab else cluster


def _compare(directory: Path, configuration: ClusterConfiguration, wanted: Wanted) -> None:
    if wanted.replicas not in (None, configuration.replica_count):
        raise ConfigurationError(
            f"{directory} holds a cluster of {configuration.replica_count} replicas, not {wanted.replicas}: "
            "leave out --replicas, or choose another --dir"
        )
    if wanted.service not in (None, configuration.service):
        raise ConfigurationError(
            f"{directory} holds a cluster that replicates {configuration.service}, not {wanted.service}: "
            "leave out --service, or choose another --dir"
        )
    if wanted.durability not in (None, configuration.settings.durability):
        raise ConfigurationError(
            f"{directory} holds a cluster of durability {configuration.settings.durability}, not {wanted.durability}: "
            "leave out --durability, or choose another --dir"
        )
    if wanted.tls and configuration.settings.transport != "tls":
        raise ConfigurationError(
            f"{directory} holds a cluster that was made without TLS: leave out --tls, or choose another --dir"
        )
    if wanted.lab and not is_laboratory(directory):
        raise ConfigurationError(
            f"{directory} was not made as a laboratory, and what it holds shall not be where traitors are made: "
            "leave out --lab, or choose another --dir"
        )


def _gateway(redis: str) -> Gateway:
    host, port = parse_address(redis, "--redis")
    reason = why_not_free(host, port)
    if reason is not None:
        other = f"{host}:{port % PORT_MAX + 1}" if reason == TAKEN else f"{LOOPBACK}:{port}"
        raise ConfigurationError(f"--redis {redis}: {reason}; name another, for example --redis {other}")
    hold(port)  # or a replica of a new cluster may be given it
    return Gateway(host, port)


def _prepare(cluster: ClusterFolder, fresh: bool, gateway: Gateway | None) -> ClusterFolder:
    """See that nothing of it runs, and start a new history where the old one ended with its processes."""
    for replica_id, (folder, member) in enumerate(zip(cluster.replicas(), cluster.configuration.replicas, strict=True)):
        if is_running(folder):
            raise ConfigurationError(
                f"replica {replica_id} of {cluster.path} runs already: stop it, or choose another --dir"
            )
        if gateway == (member.host, member.port):
            raise ConfigurationError(f"--redis {gateway}: replica {replica_id} listens there; name another port")
        reason = why_not_free(member.host, member.port)
        if reason is not None:
            remedy = (
                "free it, or have a new cluster made with another --dir"
                if reason == TAKEN
                else "on the machine that has this address, start `quorate replica` with the replica's folder"
            )
            raise ConfigurationError(
                f"replica {replica_id} cannot listen on {member.host}:{member.port}: {reason}; {remedy}"
            )
    if fresh:
        say(f"starting {cluster.path} empty: --fresh asks for it")
    elif any(load_replica(folder).configuration != cluster.configuration for folder in cluster.replicas()):
        say(f"starting {cluster.path} empty: that was begun before, and not ended")
    elif _was_in_memory(cluster):
        say(f"starting {cluster.path} empty: its state was in memory and ended with its processes")
    else:
        return cluster
    return start_new_history(cluster)


def _was_in_memory(cluster: ClusterFolder) -> bool:
    """Whether it ran, and kept nothing."""
    configuration = cluster.configuration
    return configuration.settings.durability == "memory" and any(
        has_started(folder, configuration.incarnation) for folder in cluster.replicas()
    )


async def _run(cluster: ClusterFolder, gateway: Gateway | None, log_level: str, lab: bool) -> int:
    """Start everything, wait for the end, stop everything. The exit code."""
    supervisor = Supervisor(cluster, gateway, log_level, lab)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.ask_to_stop)
    return await supervisor.run()

"""`quorate init`: the folders of a new cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from quorate.cli.addresses import PORT_MAX
from quorate.cli.output import say
from quorate.cli.passphrase import choose_passphrase, passphrase_option
from quorate.cli.renewal import renew as renew_cluster
from quorate.cli.renewal import renew_certificates as renew_cluster_certificates
from quorate.config import Settings
from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError
from quorate.folder import ClusterFolder, create_cluster
from quorate.messages.protocol import REPLICAS_MAX
from quorate.services.loading import load_service


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--replicas",
    type=click.IntRange(1, REPLICAS_MAX),
    default=4,
    show_default=True,
    help="How many replicas: 3f+1 tolerate f.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=["127.0.0.1"],
    show_default=True,
    help="Where the replicas listen: one host for all, or the option once a replica.",
)
@click.option("--port-base", default=7100, show_default=True, help="Replica i listens on this port plus i.")
@click.option("--service", default="redis", show_default=True, help="redis, counter, or module:Class.")
@click.option(
    "--request-authentication",
    type=click.Choice(["signature", "mac"]),
    default="signature",
    show_default=True,
    help="How clients prove themselves.",
)
@click.option(
    "--replica-authentication",
    type=click.Choice(["mac", "signature"]),
    default="mac",
    show_default=True,
    help="How replicas prove themselves in the normal case.",
)
@click.option(
    "--durability",
    type=click.Choice(["sync", "async", "memory"]),
    default="sync",
    show_default=True,
    help="Where votes and state are kept: on disk before they count, on disk soon after, or in memory.",
)
@click.option("--tls", is_flag=True, help="TLS 1.3 between all members, each with a certificate that is made now.")
@click.option("--encrypt-keys", is_flag=True, help="Encrypt every private key with a passphrase, which is asked for.")
@passphrase_option
@click.option("--renew", is_flag=True, help="DIRECTORY is a stopped cluster's: start it anew, empty.")
@click.option("--renew-certificates", is_flag=True, help="DIRECTORY is a cluster's with --tls: make new certificates.")
@click.pass_context
def init(
    context: click.Context,
    directory: Path,
    replicas: int,
    hosts: tuple[str, ...],
    port_base: int,
    service: str,
    request_authentication: Literal["signature", "mac"],
    replica_authentication: Literal["mac", "signature"],
    durability: Literal["sync", "async", "memory"],
    tls: bool,
    encrypt_keys: bool,
    renew: bool,
    renew_certificates: bool,
) -> None:
    """Make DIRECTORY with a folder for each replica and one for a client.

    Copy replica-0 to the machine of replica 0, and so on, and the client's folder to where the clients run. Each
    holds its owner's private key, everyone's public keys and addresses, and the settings.

    With --durability memory a cluster whose replicas were all stopped can only be started anew, empty. --renew
    prepares that, for any cluster: it writes a new incarnation into every folder of DIRECTORY, removes what its
    replicas had kept on disk, leaves all else as it is, and says what to copy.

    --tls makes an authority in DIRECTORY/authority, and a certificate for each member that it signs.
    --renew-certificates has it sign new ones, while the cluster runs or not. Keep that folder somewhere safe.

    \b
    Example:  quorate init shop --replicas 4 --host 10.0.0.1 --host 10.0.0.2 --host 10.0.0.3 --host 10.0.0.4
              quorate init shop --renew

    Exit codes: 0 made; 2 the options are wrong, DIRECTORY exists, or what is to be renewed runs or is no cluster's.
    """
    if renew:
        _refuse_options(context, "--renew", "the incarnation")
        renew_cluster(directory)
        return
    if renew_certificates:
        _refuse_options(context, "--renew-certificates", "the certificates")
        renew_cluster_certificates(directory)
        return
    if not encrypt_keys and context.get_parameter_source("passphrase_file") is ParameterSource.COMMANDLINE:
        raise ConfigurationError("--passphrase-file encrypts nothing by itself: add --encrypt-keys, or leave it out")
    load_service(service)
    settings = Settings(
        request_authentication=request_authentication,
        replica_authentication=replica_authentication,
        durability=durability,
        transport="tls" if tls else "tcp",
    )
    addresses = addresses_of(replicas, hosts, port_base)
    passphrase = choose_passphrase() if encrypt_keys else None
    cluster = create_cluster(directory, addresses, service, settings, passphrase)
    say(f"{directory}: {describe_group(replicas)}")
    _explain(cluster)


def _refuse_options(context: click.Context, flag: str, renewed: str) -> None:
    """With --renew nothing else changes: an option that would change something is a mistake."""
    allowed = ("directory", "passphrase_file", flag.removeprefix("--").replace("-", "_"))
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT
        if is_given and option.name not in allowed:
            raise ConfigurationError(f"{flag} keeps everything but {renewed}: leave out {option.opts[0]}")


def addresses_of(replicas: int, hosts: tuple[str, ...], port_base: int) -> list[tuple[str, int]]:
    """Where each replica listens."""
    if len(hosts) not in (1, replicas):
        raise ConfigurationError(f"--host was given {len(hosts)} times: give it once, or once for each of {replicas}")
    if not 1 <= port_base <= PORT_MAX - replicas + 1:
        raise ConfigurationError(
            f"--port-base {port_base} leaves no {replicas} ports: choose 1 to {PORT_MAX - replicas + 1}"
        )
    for host in hosts:
        if not host or any(character.isspace() for character in host):
            raise ConfigurationError(f"--host {host!r}: expected a machine's name or address, for example 10.0.0.1")
    each = hosts * replicas if len(hosts) == 1 else hosts
    return [(host, port_base + replica_id) for replica_id, host in enumerate(each)]


def describe_group(replicas: int) -> str:
    """n and f, in words."""
    quorums = quorums_of(replicas)
    counted, verb = ("1 replica", "tolerates") if replicas == 1 else (f"{replicas} replicas", "tolerate")
    if quorums.faults:
        return f"{counted}, of which {quorums.faults} may crash or lie"
    if replicas > quorums.quorum:
        return f"{counted}, of which {replicas - quorums.quorum} may crash but none may lie: of four, one may"
    return f"{counted}, which {verb} no faults: four tolerate one"


def _explain(cluster: ClusterFolder) -> None:
    for replica_id, (folder, member) in enumerate(zip(cluster.replicas(), cluster.configuration.replicas, strict=True)):
        say(f"  {folder}  replica {replica_id} at {member.host}:{member.port}; start it: quorate replica {folder}")
    say(f"  {cluster.client()}  a client; for example: quorate status {cluster.client()}")
    if cluster.configuration.settings.transport == "tls":
        say(f"  {cluster.authority()}  signs certificates: no member needs it; keep it where no replica runs")
    say("Every private.key is a secret of its folder's owner: copy the folders over a safe channel.")

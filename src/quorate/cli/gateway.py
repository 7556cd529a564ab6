"""`quorate gateway`: other protocols in front of a cluster. Runs beside the application, as a client of the cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import click
import uvloop

import quorate
from quorate.cli.addresses import LOOPBACK, parse_address
from quorate.cli.options import Seconds
from quorate.cli.output import print_json, say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.client.aio import CONNECT_SECONDS, AsyncClient
from quorate.config import ClusterConfiguration
from quorate.errors import ConfigurationError
from quorate.folder import CLIENT_FOLDER, CLUSTER_FILE, load_client
from quorate.gateways.resp import GatewayLimits, RespServer, ScanLimits, User, serve_redis
from quorate.gateways.resp.limits import SHORT_COMMAND_BYTES
from quorate.gateways.resp.users import DEFAULT
from quorate.runtime.telemetry import configure_logging
from quorate.services.redis.limits import limits_for

REDIS: Final = "redis"
PASSWORD_FILE: Final = "redis.password"
"""In a client's folder: the password with which Redis clients become this client."""


@click.group()
def gateway() -> None:
    """Run a gateway: programs that speak another protocol use the cluster through it.

    \b
    Example:  quorate gateway redis quorate-data/client --listen 127.0.0.1:6380
    """


@gateway.command()
@click.argument("client_dir", type=click.Path(path_type=Path))
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME=FOLDER",
    help="After AUTH NAME, commands are those of this client; its password stands in FOLDER/redis.password.",
)
@click.option("--listen", default=f"{LOOPBACK}:6379", show_default=True, help="Where Redis clients connect.")
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=Seconds(),
    help="Seconds that a command may wait for the cluster before its client gets an error.",
)
@click.option(
    "--wait",
    "patience",
    default=CONNECT_SECONDS,
    show_default=True,
    type=Seconds(),
    help="Seconds that it waits for the cluster when it starts. One that may start before the replicas needs more.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as JSON.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is told on standard error.",
)
@passphrase_option
def redis(
    client_dir: Path,
    clients: tuple[str, ...],
    listen: str,
    timeout: float,
    patience: float,
    as_json: bool,
    log_level: str,
) -> None:
    """Serve Redis clients (RESP2 and RESP3) until Ctrl-C or SIGTERM.

    CLIENT_DIR is the folder of the client that the gateway is towards the cluster. Whoever reaches the address may do
    what this client may, unless its folder has a file redis.password: then nothing is done before AUTH. With --client,
    AUTH NAME PASSWORD chooses another client of the cluster (`quorate client add` makes their folders).

    \b
    Example:  quorate gateway redis quorate-data/client --listen 127.0.0.1:6380
              quorate gateway redis quorate-data/client --client shop=shop --client reports=reports
              redis-cli -p 6380 set greeting hello

    Exit codes: 0 stopped by a signal; 1 the cluster could not be reached in time; 2 an option or the folder is wrong,
    or the address cannot be had.
    """
    configure_logging("text", log_level)
    host, port = parse_address(listen, "--listen")
    _, configuration = load_client(client_dir, ask_passphrase)
    others = other_users(clients, configuration)
    if configuration.service != REDIS:
        raise ConfigurationError(
            f"{client_dir} is of a cluster that replicates {configuration.service}; a Redis gateway needs one that "
            f"replicates {REDIS}: quorate init DIR --service {REDIS}"
        )
    listener = _Listener(host, port, _limits(configuration, timeout), patience, as_json)
    uvloop.run(_serve(listener, client_dir, others))


class _Listener(NamedTuple):
    """Where Redis clients connect, and what they may ask for."""

    host: str
    port: int
    limits: GatewayLimits
    patience: float
    as_json: bool


def other_users(clients: tuple[str, ...], configuration: ClusterConfiguration) -> dict[bytes, Path]:
    """The folders of the clients that AUTH chooses, by their names."""
    folders: dict[bytes, Path] = {}
    for client in clients:
        name, separator, folder = client.partition("=")
        if not separator or not name or not folder or name == DEFAULT.decode() or name.encode() in folders:
            raise ConfigurationError(
                f"--client {client}: write NAME=FOLDER, each name once, and none of them `default`"
            )
        _, theirs = load_client(folder, ask_passphrase)
        if theirs.domain() != configuration.domain():
            raise ConfigurationError(f"--client {client}: {folder} is of another cluster, or of another start of it")
        if read_password(Path(folder)) is None:
            raise ConfigurationError(
                f"{Path(folder) / PASSWORD_FILE} does not exist: write the password for AUTH {name} into it, for "
                f"example with: (umask 077; openssl rand -hex 16 > {Path(folder) / PASSWORD_FILE})"
            )
        folders[name.encode()] = Path(folder)
    return folders


def read_password(folder: Path) -> bytes | None:
    """The password in a client's folder: the first line of its file. None: there is no such file."""
    inside = folder if (folder / CLUSTER_FILE).exists() else folder / CLIENT_FOLDER
    path = inside / PASSWORD_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is open to others than its owner; run: chmod 600 {path}")
    password = content.partition(b"\n")[0].rstrip(b"\r")
    if not password:
        raise ConfigurationError(f"{path} has an empty first line: write the password there, or remove the file")
    return password


def _limits(configuration: ClusterConfiguration, timeout: float) -> GatewayLimits:
    settings = configuration.settings
    longest_argument = limits_for(settings.request_bytes_max, settings.reply_bytes_max).longest_argument
    scan = ScanLimits(max(settings.request_bytes_max, SHORT_COMMAND_BYTES), longest_argument)
    return GatewayLimits(answer_seconds=timeout, scan=scan)


async def _serve(listener: _Listener, client_dir: Path, others: dict[bytes, Path]) -> None:
    """Serve until a signal comes, then let outstanding commands have their replies.

    The address is taken first: whether it can be had is known at once.
    """
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_over.set)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(quorate.connect(client_dir, wait_seconds=0))
        users = []
        for name, folder in others.items():
            invoker = await stack.enter_async_context(quorate.connect(folder, wait_seconds=0))
            users.append(User(name, read_password(folder), invoker))
        server = await serve_redis(
            client,
            listener.host,
            listener.port,
            limits=listener.limits,
            password=read_password(client_dir),
            users=users,
        )
        try:
            if await connects(client, listener.patience, is_over):
                _announce(server, listener.as_json)
                await is_over.wait()
        finally:
            server.close()
            await server.wait_closed()


async def connects(client: AsyncClient, seconds: float, is_over: asyncio.Event) -> bool:
    """Wait for the cluster, but for no longer than that, or until a signal comes."""
    connecting = asyncio.create_task(client.wait_connected(seconds))
    stopping = asyncio.create_task(is_over.wait())
    try:
        await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            return False
        connecting.result()
        return True
    finally:
        connecting.cancel()
        stopping.cancel()


def _announce(server: RespServer, as_json: bool) -> None:
    host, port = server.address
    if as_json:
        print_json({"protocol": REDIS, "host": host, "port": port, "pid": os.getpid()})
        return
    say(f"Redis protocol at {host}:{port}")

"""`quorate gateway`: other protocols in front of a cluster. Runs beside the application, as a client of the cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import click
import uvloop

import quorate
from quorate.cli.addresses import LOOPBACK, parse_address
from quorate.cli.options import Seconds
from quorate.cli.output import print_json, say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.client.aio import AsyncClient
from quorate.config import ClusterConfiguration
from quorate.errors import ConfigurationError
from quorate.folder import load_client
from quorate.gateways.resp import GatewayLimits, RespServer, ScanLimits, serve_redis
from quorate.gateways.resp.limits import SHORT_COMMAND_BYTES
from quorate.runtime.telemetry import configure_logging
from quorate.services.redis.limits import limits_for

REDIS: Final = "redis"


@click.group()
def gateway() -> None:
    """Run a gateway: programs that speak another protocol use the cluster through it.

    \b
    Example:  quorate gateway redis quorate-data/client --listen 127.0.0.1:6380
    """


@gateway.command()
@click.argument("client_dir", type=click.Path(path_type=Path))
@click.option("--listen", default=f"{LOOPBACK}:6379", show_default=True, help="Where Redis clients connect.")
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=Seconds(),
    help="Seconds that a command may wait for the cluster before its client gets an error.",
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
def redis(client_dir: Path, listen: str, timeout: float, as_json: bool, log_level: str) -> None:
    """Serve Redis clients (RESP2 and RESP3) until Ctrl-C or SIGTERM.

    CLIENT_DIR is the folder of the client that the gateway is towards the cluster. There are no passwords: whoever
    reaches the address may read and write.

    \b
    Example:  quorate gateway redis quorate-data/client --listen 127.0.0.1:6380
              redis-cli -p 6380 set greeting hello

    Exit codes: 0 stopped by a signal; 1 the cluster cannot be reached; 2 an option or the folder is wrong, or the
    address cannot be had.
    """
    configure_logging("text", log_level)
    host, port = parse_address(listen, "--listen")
    _, configuration = load_client(client_dir, ask_passphrase)
    if configuration.service != REDIS:
        raise ConfigurationError(
            f"{client_dir} is of a cluster that replicates {configuration.service}; a Redis gateway needs one that "
            f"replicates {REDIS}: quorate init DIR --service {REDIS}"
        )
    uvloop.run(_serve(client_dir, host, port, _limits(configuration, timeout), as_json))


def _limits(configuration: ClusterConfiguration, timeout: float) -> GatewayLimits:
    settings = configuration.settings
    longest_argument = limits_for(settings.request_bytes_max, settings.reply_bytes_max).longest_argument
    scan = ScanLimits(max(settings.request_bytes_max, SHORT_COMMAND_BYTES), longest_argument)
    return GatewayLimits(answer_seconds=timeout, scan=scan)


async def _serve(client_dir: Path, host: str, port: int, limits: GatewayLimits, as_json: bool) -> None:
    """Serve until a signal comes, then let outstanding commands have their replies.

    The address is taken first: whether it can be had is known at once.
    """
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_over.set)
    async with quorate.connect(client_dir, wait_seconds=0) as client:
        server = await serve_redis(client, host, port, limits=limits)
        try:
            if await connects(client, is_over):
                _announce(server, as_json)
                await is_over.wait()
        finally:
            server.close()
            await server.wait_closed()


async def connects(client: AsyncClient, is_over: asyncio.Event) -> bool:
    """Wait for the cluster, but for no longer than until a signal comes."""
    connecting = asyncio.create_task(client.wait_connected())
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

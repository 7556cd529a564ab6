"""`quorate invoke`: one operation from the shell."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from quorate.cli.operations import encode_words, has_failed, result_for_people, result_for_programs
from quorate.cli.options import Seconds
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.client.aio import connect
from quorate.folder import load_client

REFUSED = 1


class _Operation(click.Command):
    """An option that is none is a mistake, not a word of the operation: what begins with a dash stands behind `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the remedy to click's error."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            remedy = f"If {error.option_name} is part of the operation, write -- before the operation."
            text = f"{error.message.rstrip('.')}. {remedy}"
            raise click.NoSuchOption(error.option_name, text, error.possibilities, ctx) from None


@click.command(cls=_Operation)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("operation", nargs=-1, required=True)
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=Seconds(),
    help="Seconds to wait for an answer that can be believed.",
)
@passphrase_option
def invoke(folder: Path, operation: tuple[str, ...], timeout: float) -> None:
    """Have the cluster execute OPERATION once, as the client of FOLDER.

    For the service redis OPERATION is a command; for any other its words, joined by spaces. The answer is printed
    once f+1 replicas vouch for it: quoted in a terminal, as it is in a pipe.

    \b
    Example:  quorate invoke quorate-data/client -- SET greeting hello

    Exit codes: 0 executed; 1 Redis answered with an error, the service failed, or no answer came in time; 2 FOLDER
    is no client's folder.
    """
    _, configuration = load_client(folder, ask_passphrase)
    service = configuration.service
    result = asyncio.run(_invoke(folder, encode_words(service, operation), timeout))
    if sys.stdout.isatty():
        click.echo(result_for_people(service, result))
    else:
        click.echo(result_for_programs(service, result))
    if has_failed(service, result):
        sys.exit(REFUSED)


async def _invoke(folder: Path, operation: bytes, timeout: float) -> bytes:
    async with connect(folder) as client:
        return await client.invoke(operation, timeout)

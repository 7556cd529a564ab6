"""`quorate`: the commands, loaded when they are called, and how every error ends."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Final, NamedTuple, cast

import click

from quorate.cli.parent import end_with_parent
from quorate.errors import ConfigurationError, QuorateError


class Failure(click.ClickException):
    """The cluster is unhealthy, or what was asked of it failed."""

    exit_code = 1


class BadInput(click.ClickException):
    """The command line, a file or a folder is wrong."""

    exit_code = 2


class _Command(NamedTuple):
    """Where a command is, and its line in the help: neither needs the command's imports."""

    target: str
    help: str


COMMANDS: Final = {
    "up": _Command("quorate.cli.up:up", "Start a cluster on this machine, with a gateway for Redis clients."),
    "init": _Command("quorate.cli.init:init", "Make the folders of a new cluster."),
    "replica": _Command("quorate.cli.replica:replica", "Run one replica."),
    "recover": _Command(
        "quorate.cli.recover:recover", "Let a replica recover that was broken into, or has a new disk."
    ),
    "gateway": _Command("quorate.cli.gateway:gateway", "Run a gateway from another protocol."),
    "status": _Command("quorate.cli.status:status", "Show what each replica thinks."),
    "invoke": _Command("quorate.cli.invoke:invoke", "Have one operation executed."),
    "client": _Command("quorate.cli.client:client", "Let clients in, list them, shut them out."),
    "backup": _Command("quorate.cli.backup:backup", "Write a checkpoint, with who vouches for it, to a file."),
    "verify": _Command("quorate.cli.backup:verify_backup", "Check a backup, without a cluster."),
    "restore": _Command("quorate.cli.backup:restore", "Make a cluster that begins with a backup."),
    "bench": _Command("quorate.cli.bench:bench", "Measure throughput and latency."),
    "attack": _Command("quorate.cli.attack:attack", "Turn replicas of a running laboratory into traitors, and judge."),
    "chaos": _Command("quorate.cli.chaos:chaos", "Maltreat a cluster of processes while clients work, and judge."),
    "lab-replica": _Command("quorate.lab.replica:lab_replica", "Run one replica of a laboratory."),
    "sim": _Command("quorate.cli.sim:sim", "Run the protocol in simulated, hostile worlds."),
    "campaign": _Command("quorate.cli.campaign:campaign", "Run very many simulated worlds, and make a report."),
    "twins": _Command("quorate.cli.twins:twins", "Run replicas twice under one identity, divided in every way."),
    "explore": _Command("quorate.cli.explore:explore", "Explore small worlds of the protocol exhaustively."),
    "generals": _Command("quorate.cli.generals:generals", "The Byzantine Generals: OM(m) and SM(m)."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, so that no command waits for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        command = COMMANDS.get(cmd_name)
        if command is None:
            return None
        module, _, attribute = command.target.partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help's list of commands, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Every error of ours becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except QuorateError as error:
            kind = BadInput if isinstance(error, ConfigurationError) else Failure
            raise kind(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("quorate"), prog_name="quorate")
def cli() -> None:
    """Byzantine fault tolerance for Python: Castro and Liskov's PBFT.

    A cluster of 3f+1 replicas stays right while f of them crash, lie or are broken into.

    \b
    Example:  quorate up
              redis-cli set greeting hello

    Exit codes: 0 all is well; 1 the cluster is unhealthy, or what was asked of it failed; 2 the command line,
    a file or a folder is wrong; 3 a replica stopped because of a defect.
    """


def main() -> None:
    """The entry point of the command `quorate`."""
    end_with_parent()
    cli(prog_name="quorate")

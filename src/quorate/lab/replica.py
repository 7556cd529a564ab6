"""`quorate lab-replica`: one replica of a laboratory, which can be turned into a traitor while it runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import click
import uvloop

from quorate.adversary.traitor import Conspiracy, Process, Tools
from quorate.core.replica import Replica
from quorate.errors import ConfigurationError
from quorate.folder import ReplicaFolder, load_replica
from quorate.lab.control import Behave, Command, Cut, Jump, Lie, Tell, Told, obeying
from quorate.lab.members import is_laboratory
from quorate.lab.turncoat import Turncoat
from quorate.lab.wire import Wire
from quorate.net.links import LinkHandler
from quorate.runtime.bootstrap import Assembly, Fittings, run_replica
from quorate.runtime.lifetime import begin_anew
from quorate.runtime.ports import SystemClock
from quorate.runtime.telemetry import configure_logging, is_watching
from quorate.services.loading import load_service

DEFECT = 3


class ShiftedClock(SystemClock):
    """The machine's clocks, with a wall clock that may be wrong."""

    offset = 0

    def wall(self) -> int:
        """Since 1970, for all that this process knows."""
        return max(0, super().wall() + self.offset)


class LabFittings(Fittings):
    """What a laboratory puts around the real parts, and the socket by which it is told what to do with them."""

    turncoat: Turncoat
    wire: Wire

    def __init__(self, folder: ReplicaFolder) -> None:
        super().__init__()
        self.clock: ShiftedClock = ShiftedClock()
        self.tracing = True
        self._folder = folder

    def may_recover(self) -> bool:
        """One that has lied counts as faulty for ever here, so it does not."""
        return not self.turncoat.has_lied

    def core_of(self, assembly: Assembly) -> Turncoat:
        """The replica, inside what can turn it."""
        folder = self._folder
        configuration = folder.configuration

        def fresh() -> Process:
            service = load_service(configuration.service)
            return Replica(folder.replica_id, configuration, service, assembly.authenticator)

        def tools(random: Random) -> Tools:
            return Tools(folder.replica_id, assembly.authenticator, configuration, random, Conspiracy())

        self.turncoat = Turncoat(assembly.replica, fresh, tools)
        self.turncoat.is_watched = is_watching()
        return self.turncoat

    def handler_of(self, assembly: Assembly) -> LinkHandler:
        """The node, behind links that can be cut."""
        self.wire = Wire(super().handler_of(assembly))
        return self.wire

    @asynccontextmanager
    async def around(self, assembly: Assembly) -> AsyncIterator[None]:
        """Obey, as long as the replica runs."""
        async with obeying(self._folder.path, self.obey):
            yield

    def obey(self, command: Command) -> Told:
        """Do what the laboratory wants."""
        match command:
            case Lie(strategies, seed):
                self.turncoat.lie(strategies, seed)
            case Behave():
                self.turncoat.behave()
            case Jump(offset):
                self.clock.offset = offset
            case Cut(deaf_to):
                self.wire.deaf_to = deaf_to
            case Tell():
                pass
        return self._told(isinstance(command, Tell) and command.record)

    def _told(self, record: bool) -> Told:
        turncoat = self.turncoat
        return Told(
            replica_id=self._folder.replica_id,
            pid=os.getpid(),
            lies=turncoat.lies,
            has_lied=turncoat.has_lied,
            failure=turncoat.failure,
            deaf_to=self.wire.deaf_to,
            clock_offset=self.clock.offset,
            refusals=turncoat.refusals(),
            events=turncoat.events() if record else (),
        )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged on standard error.",
)
def lab_replica(folder: Path, log_level: str) -> None:
    """Run the replica of FOLDER, of a cluster that was made as a laboratory, until SIGTERM or Ctrl-C.

    It does what `quorate replica` does until `quorate attack` turns it. `quorate up --lab` starts these.

    \b
    Example:  quorate lab-replica quorate-lab/replica-0

    Exit codes: 0 stopped by a signal; 2 the folder is wrong or of no laboratory, its replica runs already, or its
    port is taken; 3 stopped because of a defect.
    """
    configure_logging("text", log_level)
    loaded = load_replica(folder)
    if not is_laboratory(folder.absolute().parent):
        raise ConfigurationError(f"{folder} is of no laboratory: run `quorate replica {folder}`")
    try:
        if uvloop.run(run_replica(loaded, LabFittings(loaded))):
            begin_anew()
    except ConfigurationError:
        raise
    except Exception as error:  # a defect of any part ends here, and the process with it
        fields = {"replica": loaded.replica_id, "error": f"{type(error).__name__}: {error}"}
        logging.getLogger("quorate").critical("replica-stopped-by-defect", exc_info=error, extra={"fields": fields})
        sys.exit(DEFECT)

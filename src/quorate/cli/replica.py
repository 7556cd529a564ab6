"""`quorate replica`: one replica, until it is told to stop."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click
import uvloop

from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.errors import ConfigurationError
from quorate.folder import load_replica
from quorate.runtime.bootstrap import run_replica
from quorate.runtime.lifetime import begin_anew
from quorate.runtime.telemetry import LogFormat, configure_logging

DEFECT = 3


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines of key=value, or of JSON, on standard error.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged; debug tells every step of the protocol.",
)
@passphrase_option
def replica(folder: Path, log_format: LogFormat, log_level: str) -> None:
    """Run the replica of FOLDER until SIGTERM or Ctrl-C.

    Started again, it goes on from what it kept in FOLDER/storage. If that is gone or damaged, or the cluster's
    durability is memory, it does not know what it voted: it recovers, and is silent until then.

    \b
    Example:  quorate replica quorate-data/replica-0 --log-format json

    Exit codes: 0 stopped by a signal; 2 the folder is wrong, its replica runs already, or its port is taken;
    3 stopped because of a defect or because its storage failed.
    """
    configure_logging(log_format, log_level)
    loaded = load_replica(folder, ask_passphrase)
    try:
        if uvloop.run(run_replica(loaded)):
            begin_anew()
    except ConfigurationError:
        raise
    except Exception as error:  # a defect of any part ends here, and the process with it
        fields = {"replica": loaded.replica_id, "error": f"{type(error).__name__}: {error}"}
        logging.getLogger("quorate").critical("replica-stopped-by-defect", exc_info=error, extra={"fields": fields})
        sys.exit(DEFECT)

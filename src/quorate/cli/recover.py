"""`quorate recover`: let a replica recover that was perhaps broken into, or whose disk is new."""

from __future__ import annotations

from pathlib import Path

import click

from quorate.cli.output import own_name, say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.folder import load_replica
from quorate.runtime.durability import let_recover
from quorate.runtime.lifetime import hold_folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--clean", is_flag=True, help="Keep nothing of its state: it is fetched whole from the others.")
@passphrase_option
def recover(folder: Path, clean: bool) -> None:
    """Let the replica of FOLDER recover when it starts next.

    Stop it first, and mend what was wrong with its machine. Then it believes none of its votes, checks its state
    against what a quorum signed and fetches what differs, draws new session keys, and has the others forget what it
    signed before. Until it is as good as any other again it is silent: recover one replica at a time, or f at most.

    A replica whose folder is new, because its disk is, has to recover too, or it would contradict what it forgot.

    \b
    Example:  quorate recover quorate-data/replica-2
              quorate replica quorate-data/replica-2

    Exit codes: 0 it will recover; 2 the folder is wrong, or its replica runs.
    """
    loaded = load_replica(folder, ask_passphrase)
    with hold_folder(folder):
        let_recover(loaded, clean)
    say(f"{folder} recovers when it is started: {own_name()} replica {folder}")
    say(f"{own_name()} status shows how far it is; until it is normal it counts as failed")

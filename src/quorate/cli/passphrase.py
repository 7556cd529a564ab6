"""Where commands have the passphrase of an encrypted key from: a file, the environment, or who types it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from quorate.auth.keyfile import (
    PASSPHRASE_FILE_VARIABLE,
    PASSPHRASE_VARIABLE,
    given_passphrase,
    passphrase_of_environment,
)
from quorate.errors import ConfigurationError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def passphrase_option(command: _Command) -> _Command:
    """Give a command --passphrase-file. It becomes a part of the environment: so the processes that the command starts
    find it too."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        envvar=PASSPHRASE_FILE_VARIABLE,
        expose_value=False,
        callback=_note,
        help=f"A file with the passphrase of an encrypted key; without it, {PASSPHRASE_VARIABLE} or you are asked.",
    )(command)


def _note(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        os.environ[PASSPHRASE_FILE_VARIABLE] = str(path.absolute())


def ask_passphrase(path: Path) -> str:
    """The passphrase of a key file: as the environment says, or typed. What was typed is asked for once."""
    given = given_passphrase()
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return passphrase_of_environment(path)
    passphrase: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    os.environ[PASSPHRASE_VARIABLE] = passphrase
    return passphrase


def choose_passphrase() -> str:
    """A passphrase for keys that are made now: as the environment says, or typed twice."""
    passphrase = given_passphrase()
    if passphrase is not None:
        return passphrase
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "--encrypt-keys needs a passphrase, and nobody can be asked: give --passphrase-file, or set "
            f"{PASSPHRASE_VARIABLE}"
        )
    chosen: str = click.prompt("Passphrase for all keys", hide_input=True, confirmation_prompt=True, err=True)
    return chosen

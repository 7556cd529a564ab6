"""Every printed line comes from here: readable without colour, without a terminal, and by programs with `--json`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_MIN: Final = 132


def console() -> Console:
    """Standard output. What is narrower than our tables breaks their lines; nothing is left out."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    return Console(width=max(width, _WIDTH_MIN), highlight=False, markup=False, emoji=False)


def own_name() -> str:
    """How to call this program again: by its name where the shell finds it, else by the path it was called by."""
    called = Path(sys.argv[0])
    found = shutil.which("quorate")
    if called.name != "quorate":
        return f"{sys.executable} -m quorate" if found is None else "quorate"
    return "quorate" if found is not None and called.exists() and called.samefile(found) else str(called)


def say(line: str = "") -> None:
    """One line for people, at once, also through a pipe."""
    click.echo(line)
    sys.stdout.flush()


def print_json(value: object) -> None:
    """One JSON document for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: list[str], rows: list[list[str]], right: frozenset[str] = frozenset()) -> None:
    """A table; the columns named in *right* hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)

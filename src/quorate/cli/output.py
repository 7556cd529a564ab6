"""Every printed line comes from here: readable without colour, without a terminal, and by programs with `--json`."""

from __future__ import annotations

import json
import os
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 180


def console() -> Console:
    """Standard output. Without a terminal a table is as wide as it needs to be."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, markup=False, emoji=False)


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

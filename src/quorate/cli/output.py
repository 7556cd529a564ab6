"""Every printed line comes from here: readable without colour, without a terminal, and by programs with `--json`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Final, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH: Final = 132
"""How wide a table may be that no terminal shows."""
_GAP: Final = 2
"""Between two columns."""


def terminal_width() -> int | None:
    """How many columns the terminal has; None when the output goes somewhere else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def console(width: int | None = None) -> Console:
    """Standard output, for tables of this width."""
    return Console(width=width or _WIDTH, highlight=False, markup=False, emoji=False)


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
    """A table; the columns named in *right* hold numbers.

    A terminal that is too narrow gets several tables below one another, each with the first column: nothing is left
    out, and no line is broken.
    """
    widths = [
        max(len(line) for text in (title, *(row[place] for row in rows)) for line in text.split("\n"))
        for place, title in enumerate(columns)
    ]
    for number, places in enumerate(split_columns(widths, terminal_width())):
        if number:
            say()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place in places:
            justify: Literal["left", "right"] = "right" if columns[place] in right else "left"
            table.add_column(columns[place], justify=justify, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[place]) for place in places))
        print_trimmed(table, sum(widths) + _GAP * len(widths))


def print_trimmed(table: Table, width: int | None) -> None:
    """A table of this width, without the spaces that fill its last column."""
    target = console(width)
    with target.capture() as capture:
        target.print(table)
    say("\n".join(line.rstrip() for line in capture.get().splitlines()))


def counted(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def split_columns(widths: list[int], room: int | None) -> list[list[int]]:
    """Which columns stand in which table, so that each fits into *room*, if it can; the first column is in all."""
    tables, taken = [[0]], widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if room is not None and taken + _GAP + width > room and len(tables[-1]) > 1:
            tables.append([0])
            taken = widths[0]
        tables[-1].append(place)
        taken += _GAP + width
    return tables

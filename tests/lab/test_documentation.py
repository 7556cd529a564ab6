"""docs/ATTACKS.md tells of every attack there is, and of no other."""

from __future__ import annotations

from pathlib import Path

from quorate.lab.catalogue import ATTACKS

PAGE = Path(__file__).parent.parent.parent / "docs" / "ATTACKS.md"


def test_every_attack_stands_in_the_table() -> None:
    table = PAGE.read_text().partition("| attack | row |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table]

    assert {name: row for name, row, *_ in cells} == {attack.name: attack.row for attack in ATTACKS.values()}

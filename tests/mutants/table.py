"""`kills.txt`: what came of the last hunt for each mutant, one line each, columns divided by tabs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mutants.catalogue import MUTANTS
from mutants.mutation import Hunt, Mutant, in_short, run, run_unmutated

TABLE = Path(__file__).with_name("kills.txt")
HEAD = "mutant\tseeds run\trule that the last one broke\twhat was seen"


def read_table() -> dict[str, Hunt]:
    """The hunts by the mutants' names."""
    head, *lines = TABLE.read_text().splitlines()
    assert head == HEAD, f"{TABLE} is of another shape: {head}"
    rows = [line.split("\t") for line in lines]
    return {name: Hunt(int(seeds), rule, seen) for name, seeds, rule, seen in rows}


def write_table(hunts: Mapping[str, Hunt]) -> None:
    """Every mutant of the catalogue, in its order."""
    rows = [HEAD, *("\t".join((mutant.name, *map(str, hunts[mutant.name]))) for mutant in MUTANTS)]
    TABLE.write_text("\n".join(rows) + "\n")


def what_is_wrong(mutant: Mutant, hunted: Hunt) -> str:
    """Why a line of the table is not true any more, or nothing. Survivors are not hunted again for it."""
    if not hunted.rule:
        return "" if mutant.played else "no seed notices it, and nothing explains why"
    seed = hunted.seeds - 1
    broken = run_unmutated(mutant, seed)
    if broken is not None:
        return f"seed {seed} breaks a rule without it too: {broken.rule}: {broken.text}"
    verdict = run(mutant, seed)
    if verdict is None:
        return f"seed {seed} notices nothing"
    if (verdict.rule, in_short(verdict.text)) != (hunted.rule, hunted.seen):
        return f"seed {seed} sees something else: {verdict.rule}: {verdict.text}"
    return ""

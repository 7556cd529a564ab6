"""docs/MUTANTS.md, made from the catalogue, the table of kills and docs/PROTOCOL.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mutants.catalogue import MUTANTS
from mutants.mutation import Hunt, Mutant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "MUTANTS.md"

TEXT = """\
# Mutants

A judge that has never condemned anybody is an opinion. So the rules of the core are weakened on purpose, one at a time:
each quorum, each condition of admission, each thing that has to be on disk first. Each such mutant runs in simulated
worlds (`quorate sim`) from seed 0 on, until the judge notices or its budget of seeds is used up. A seed counts as a
kill only if the same world breaks no rule without the mutant.

**{total} mutants: {killed} are killed by seeds, {played} by a case that is played by hand, {redundant} weaken rules
that others cover.** {at_once} died in seed 0; no seed above {most} was needed.

This page is made by the command that hunts them:

```
cd tests
../.venv/bin/python -m mutants.run --jobs 2    # hunts all of them anew, writes tests/mutants/kills.txt and this page
../.venv/bin/python -m mutants.run --verify    # runs each killing seed again, with the mutant and without it
../.venv/bin/python -m mutants.run --mend      # does that too, and hunts those whose line is not true any more
```

The first has to be run again when something changes what seeds draw or how worlds go: a strategy, a fault, a profile, a
rule of the core. `make test` runs each killing seed with its mutant and without it, and fails with that advice where
this page is not true any more. The mutants are in `tests/mutants/catalogue.py`; each replaces a text in a function.

## Killed by seeds

`quorate sim --seed 2 --profile churn --strategies mute --reads off --trace` shows the world of a line with seed 2 and
*churn; mute*, as it is without the mutant; where *reads* is added, the read-only path is on. All have four replicas.
*Budget* is how many seeds may be tried. `no failure` means that a correct replica stopped: the core's own checks
noticed first (`core/invariants.py`, and each `require` on the way).

{kills}

## Killed by hand

Here the sample of worlds has a hole: within the budget no strategy and no profile brings the case about. A test
(`test_counterexamples.py` and `test_fast_paths.py` in `tests/mutants`) does, on real replicas or in the function that
chooses: there the rule holds, and without it the group stands still, loses a view, or a client believes what is wrong.

{played_rows}

## Redundant rules

What these weaken is covered by another rule. They stay, since the papers have them, or since they save time. A test
in the same files shows within a bound that nothing is lost, or nothing but time.

{redundant_rows}

## Other hunts

Other machines have mutants of their own, each of which they have to find.

| where | mutants | tests |
|---|---|---|
{others}
"""


class Elsewhere(NamedTuple):
    """Mutants that another machine has to find."""

    where: str
    mutants: str
    file: str
    tests: str
    """What the names of the tests match."""


OTHERS = (
    Elsewhere(
        "[twins](TWINS.md)",
        "quorums of 2f; P forgotten, noticed or not; f + 1 COMMITs; f + 1 twins",
        "tests/sim/test_twins.py",
        r"test_a_mutant_is_found|test_more_twins_than_f_break_agreement",
    ),
    Elsewhere(
        "[small worlds](SMALL-WORLDS.md), all interleavings",
        "the seven of the table there, and each pair of two traitors",
        "tests/sim/test_small_worlds_mutants.py",
        r"test_a_weakened_rule_is_found|test_two_traitors_\w+",
    ),
    Elsewhere(
        "[bugs of others](BUGS-OF-OTHERS.md)",
        "each rule weakened to what the other system did: `test_..._would_be_caught`",
        "tests/bugs_of_others/test_*.py",
        r"test_\w+_would_be_caught",
    ),
)


def page(hunts: Mapping[str, Hunt]) -> str:
    """The page that says what came of these hunts."""
    killed = [mutant for mutant in MUTANTS if hunts[mutant.name].rule]
    alive = [mutant for mutant in MUTANTS if not hunts[mutant.name].rule]
    played = [mutant for mutant in alive if not mutant.redundant]
    redundant = [mutant for mutant in alive if mutant.redundant]
    rules = rules_of_functions()
    return TEXT.format(
        total=len(MUTANTS),
        killed=len(killed),
        played=len(played),
        redundant=len(redundant),
        at_once=sum(hunts[mutant.name].seeds == 1 for mutant in killed),
        most=max(hunts[mutant.name].seeds for mutant in killed) - 1,
        kills=table(
            ["mutant", "rule", "function", "profile; strategies", "seed", "budget", "rule of the judge", "what it saw"],
            [kill_row(mutant, hunts[mutant.name], rules) for mutant in killed],
        ),
        played_rows=table(
            ["mutant", "rule", "function", "survives", "killed by"],
            [[*weakened_row(m, rules), survived(m, hunts[m.name]), f"`{m.played}`"] for m in played],
        ),
        redundant_rows=table(
            ["mutant", "rule", "function", "survives", "why", "shown by"],
            [[*weakened_row(m, rules), survived(m, hunts[m.name]), m.redundant, f"`{m.played}`"] for m in redundant],
        ),
        others="\n".join(other_row(other) for other in OTHERS),
    )


def kill_row(mutant: Mutant, hunted: Hunt, rules: Mapping[str, list[str]]) -> list[str]:
    """A mutant, and the seed that killed it."""
    seen = f"`{hunted.seen.replace('`', '')}`"
    seed, budget = str(hunted.seeds - 1), str(mutant.budget)
    return [*weakened_row(mutant, rules), world_of(mutant), seed, budget, hunted.rule, seen]


def weakened_row(mutant: Mutant, rules: Mapping[str, list[str]]) -> list[str]:
    """A mutant, and what it weakens."""
    functions = [edit.function.replace(":", ".") for edit in mutant.edits]
    names = [mutant.rule] if mutant.rule else [name for function in functions for name in rules.get(function, [])]
    return [mutant.name, ", ".join(dict.fromkeys(names)) or "-", ", ".join(f"`{f}`" for f in dict.fromkeys(functions))]


def survived(mutant: Mutant, hunted: Hunt) -> str:
    """Which worlds a survivor was hunted in."""
    return f"{hunted.seeds} seeds of {world_of(mutant)}"


def world_of(mutant: Mutant) -> str:
    """Where a mutant is hunted."""
    size = "" if mutant.replicas == 4 else f", n = {mutant.replicas}"
    reads = ", reads" if mutant.reads else ""
    return f"{mutant.profile}{size}{reads}{'; ' if mutant.strategies else ''}{', '.join(mutant.strategies)}"


def rules_of_functions() -> dict[str, list[str]]:
    """The ids of docs/PROTOCOL.md by the function that carries them."""
    rules: dict[str, list[str]] = {}
    for line in (ROOT / "docs" / "PROTOCOL.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if len(cells) == 5 and re.fullmatch(r"[A-Z]+-\w+", cells[0]):
            for function in re.findall(r"`([\w.]+)`", cells[3]):
                rules.setdefault(function, []).append(cells[0])
    return rules


def other_row(other: Elsewhere) -> str:
    """Mutants of another machine, and how many tests they are; a name that matches none is an error."""
    text = "".join(path.read_text() for path in sorted(ROOT.glob(other.file)))
    names = re.findall(rf"^def ({other.tests})\(", text, re.M)
    assert names, other
    shown = (
        ", ".join(f"`{name}`" for name in names) if len(names) < 5 else f"{len(names)} tests `test_..._would_be_caught`"
    )
    return f"| {other.where} | {other.mutants} | `{other.file}`: {shown} |"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)

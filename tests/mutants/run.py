"""Hunt the mutants: `python -m mutants.run [--jobs N]`, started in tests, writes kills.txt and docs/MUTANTS.md.

Whenever something changes what seeds draw (a strategy, a fault, a profile), the table is hunted anew by this command.
`--verify` hunts nothing: it runs each seed of the table again, with the mutant and without it. `--mend` does that too,
and hunts those whose line is not true any more, or is not there; who survived is not hunted again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor

from mutants.catalogue import MUTANTS
from mutants.mutation import Hunt, Mutant, hunt
from mutants.page import PAGE, page
from mutants.table import read_table, what_is_wrong, write_table


def main() -> int:
    """Hunt or verify; 1 if a mutant lives unexplained, or a line of the table is not true."""
    parser = argparse.ArgumentParser(prog="python -m mutants.run", description="Which seeds notice weakened rules.")
    parser.add_argument("--verify", action="store_true", help="hunt nothing; run every seed of the table again")
    parser.add_argument("--mend", action="store_true", help="hunt only those whose line of the table is not true")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        return verify_all(pool) if arguments.verify else hunt_all(pool, read_table() if arguments.mend else {})


def hunt_all(pool: ProcessPoolExecutor, known: Mapping[str, Hunt]) -> int:
    """Write the table and the page anew; of what is *known*, keep what is true."""
    hunts: dict[str, Hunt] = {}
    lines = [known.get(mutant.name) for mutant in MUTANTS]
    for mutant, hunted in zip(MUTANTS, pool.map(hunted_again, MUTANTS, lines), strict=True):
        hunts[mutant.name] = hunted
        print(f"{mutant.name}: {describe(mutant, hunted)}", flush=True)
    write_table(hunts)
    PAGE.write_text(page(hunts))
    return int(any(not hunts[mutant.name].rule and not mutant.played for mutant in MUTANTS))


def hunted_again(mutant: Mutant, known: Hunt | None) -> Hunt:
    """What is known of a mutant if that is true, else what comes of a hunt."""
    if known is None:
        return hunt(mutant)
    is_true = not what_is_wrong(mutant, known) if known.rule else known.seeds == mutant.budget
    return known if is_true else hunt(mutant)


def describe(mutant: Mutant, hunted: Hunt) -> str:
    """What came of one hunt."""
    if hunted.rule:
        return f"seed {hunted.seeds - 1}, {hunted.rule}: {hunted.seen}"
    return f"survives {hunted.seeds} seeds; {mutant.played or 'UNEXPLAINED'}"


def verify_all(pool: ProcessPoolExecutor) -> int:
    """Say which lines of the table are not true."""
    hunts = read_table()
    lines = [hunts[mutant.name] for mutant in MUTANTS]
    wrong = 0
    for mutant, reason in zip(MUTANTS, pool.map(what_is_wrong, MUTANTS, lines), strict=True):
        if reason:
            wrong += 1
            print(f"{mutant.name}: {reason}", flush=True)
    killed = sum(bool(line.rule) for line in lines)
    print(f"{killed} kills run again, each with its mutant and without; {wrong} lines of the table are not true")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

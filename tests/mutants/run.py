"""Hunt the mutants: `python -m mutants.run [--jobs N]`, started in tests, writes kills.txt and docs/MUTANTS.md.

Whenever something changes what seeds draw (a strategy, a fault, a profile), the table is hunted anew by this command.
`--verify` hunts nothing: it runs each seed of the table again, with the mutant and without it.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor

from mutants.catalogue import MUTANTS
from mutants.mutation import Hunt, Mutant, hunt
from mutants.page import PAGE, page
from mutants.table import read_table, what_is_wrong, write_table


def main() -> int:
    """Hunt or verify; 1 if a mutant lives unexplained, or a line of the table is not true."""
    parser = argparse.ArgumentParser(prog="python -m mutants.run", description="Which seeds notice weakened rules.")
    parser.add_argument("--verify", action="store_true", help="hunt nothing; run every seed of the table again")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        return verify_all(pool) if arguments.verify else hunt_all(pool)


def hunt_all(pool: ProcessPoolExecutor) -> int:
    """Write the table and the page anew."""
    hunts: dict[str, Hunt] = {}
    for mutant, hunted in zip(MUTANTS, pool.map(hunt, MUTANTS), strict=True):
        hunts[mutant.name] = hunted
        print(f"{mutant.name}: {describe(mutant, hunted)}", flush=True)
    write_table(hunts)
    PAGE.write_text(page(hunts))
    return int(any(not hunts[mutant.name].rule and not mutant.played for mutant in MUTANTS))


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

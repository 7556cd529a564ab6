"""Every weakened rule is noticed by some world, or it says why none does.

`kills.txt` is the table of which seed noticed which mutant, so that each is killed by the first world that is run. A
seed that draws another world since is no failure: the mutant is hunted anew, within its budget. `--rewrite` writes the
table again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants.catalogue import MUTANTS
from mutants.mutation import Kill, Mutant, hunt, mutated
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World

TABLE = Path(__file__).with_name("kills.txt")
LINE = "{mutant:<52} {seed:>4}  {world:<44} {rule}"
SURVIVED = "-"


def known_seeds() -> dict[str, int]:
    """The seed that killed each mutant when the table was written."""
    lines = TABLE.read_text().splitlines()[2:] if TABLE.exists() else []
    entries = {line[:52].rstrip(): line[52:57].strip() for line in lines}
    return {name: int(seed) for name, seed in entries.items() if seed != SURVIVED}


def world_of(mutant: Mutant) -> str:
    """Where a mutant is hunted, as `quorate sim` takes it."""
    strategies = f" --strategies {','.join(mutant.strategies)}" if mutant.strategies else ""
    return f"--profile {mutant.profile}{strategies}"


def kill(mutant: Mutant) -> Kill | None:
    """By the seed of the table, else by the first one within the budget."""
    known = known_seeds().get(mutant.name)
    first = None if known is None else hunt(mutant, range(known, known + 1))
    return first or hunt(mutant)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if not m.unnoticed], ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    assert kill(mutant) is not None, f"{mutant.budget} worlds did not notice"


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.unnoticed], ids=lambda mutant: mutant.name)
def test_what_nobody_notices_is_explained(mutant: Mutant) -> None:
    assert hunt(mutant, range(2)) is None, f"a world noticed, though it is said: {mutant.unnoticed}"


def test_there_are_many_mutants_with_names_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


def test_a_mutant_leaves_nothing_behind() -> None:
    mutant = MUTANTS[0]
    plan = draw_plan(1, mutant.profile)
    before = World(plan).run()
    with mutated(mutant):
        pass
    assert World(plan).run() == before


def test_the_table_is_complete(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite", default=False):
        TABLE.write_text(table())
    assert set(known_seeds()) == {mutant.name for mutant in MUTANTS if not mutant.unnoticed}


def table() -> str:
    """All mutants, and the seeds that kill them."""
    lines = [LINE.format(mutant="mutant", seed="seed", world="world", rule="rule that was broken"), ""]
    for mutant in MUTANTS:
        found = None if mutant.unnoticed else kill(mutant)
        rule = mutant.unnoticed if found is None else found.rule
        seed = SURVIVED if found is None else found.seed
        lines.append(LINE.format(mutant=mutant.name, seed=seed, world=world_of(mutant), rule=rule).rstrip())
    return "\n".join(lines) + "\n"

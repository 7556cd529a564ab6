"""Every weakened rule is noticed by some world, or a test says what becomes of it; docs/MUTANTS.md is true."""

from __future__ import annotations

import pytest

from mutants import test_counterexamples, test_fast_paths
from mutants.catalogue import MUTANTS
from mutants.mutation import Mutant, mutated
from mutants.page import PAGE, page, rules_of_functions
from mutants.table import read_table, what_is_wrong
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World

ADVICE = "hunt the mutants anew: cd tests && ../.venv/bin/python -m mutants.run --jobs 2"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_seed_that_killed_a_mutant_kills_it_and_breaks_no_rule_without_it(mutant: Mutant) -> None:
    assert what_is_wrong(mutant, read_table()[mutant.name]) == "", ADVICE


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.played], ids=lambda mutant: mutant.name)
def test_what_no_seed_notices_is_played_by_hand(mutant: Mutant) -> None:
    assert any(hasattr(module, mutant.played) for module in (test_counterexamples, test_fast_paths))


def test_there_are_many_mutants_with_names_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


def test_rules_that_are_named_are_rules_of_the_protocol() -> None:
    known = {name for names in rules_of_functions().values() for name in names}
    assert {mutant.rule for mutant in MUTANTS if mutant.rule} <= known


def test_a_mutant_leaves_nothing_behind() -> None:
    mutant = MUTANTS[0]
    plan = draw_plan(1, mutant.profile)
    before = World(plan).run()
    with mutated(mutant):
        pass
    assert World(plan).run() == before


def test_the_page_says_what_the_table_says() -> None:
    assert set(read_table()) == {mutant.name for mutant in MUTANTS}, ADVICE
    assert PAGE.read_text() == page(read_table()), ADVICE
    assert [mutant.name for mutant in MUTANTS if f"| {mutant.name} |" not in PAGE.read_text()] == []

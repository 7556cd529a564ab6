"""The search for the worst: it finds what is there, and says what it covered where nothing is."""

from itertools import islice
from random import Random

import pytest

from quorate.generals import ATTACK, CHOICES, RETREAT, GeneralsError, OralRun, Problem, search_oral, search_signed
from quorate.generals.oral import oral_messages
from quorate.generals.orders import Choice
from quorate.generals.search import climb, discord, follow, slots_of
from quorate.generals.search_signed import random_schedules, showings_of
from quorate.generals.table import table

each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


@each_choice
@pytest.mark.parametrize(("n", "m"), [(3, 1), (4, 2), (5, 2), (6, 2), (8, 3), (9, 3)])
def test_3m_generals_or_fewer_are_broken(n: int, m: int, choice: Choice) -> None:
    result = search_oral(n, m, m, choice=choice)

    assert result.found is not None
    assert not result.found.run.holds
    assert len(result.found.run.problem.traitors) <= m


@each_choice
@pytest.mark.parametrize(("n", "runs"), [(4, 2**3 + 2 * 2**2), (5, 2**4 + 2 * 2**3), (6, 2**5 + 2 * 2**4)])
def test_one_traitor_among_more_than_three_is_searched_whole(n: int, runs: int, choice: Choice) -> None:
    """A traitorous commander owes n-1 messages, a traitorous lieutenant n-2; two orders of the loyal commander."""
    result = search_oral(n, 1, 1, choice=choice)

    assert (result.found, result.runs, result.is_exhaustive) == (None, runs, True)


@pytest.mark.parametrize(("n", "m"), [(7, 2), (8, 2)])
def test_inside_the_bound_the_guided_search_comes_back_with_what_it_tried(n: int, m: int) -> None:
    result = search_oral(n, m, m, runs_max=200)

    assert (result.found, result.runs, result.is_exhaustive) == (None, 200, False)
    assert "hill climbing" in result.space


@pytest.mark.parametrize("n", [7, 10])
def test_one_traitor_more_than_m_is_found(n: int) -> None:
    assert search_oral(n, 1, 2).found is not None


@pytest.mark.parametrize(
    ("n", "m", "traitors"), [(6, 2, {1, 2}), (10, 2, {0, 1, 2}), (9, 3, {1, 2, 3}), (16, 1, {0, 1})]
)
def test_hill_climbing_alone_finds_violations(n: int, m: int, traitors: set[int]) -> None:
    """With no hint: neither a named strategy nor the three worlds."""
    problem = Problem(n, m, ATTACK, traitors=frozenset(traitors))
    runs = islice(climb(problem, tuple(slots_of(problem)), Random(1)), 40)

    assert any(not run.holds for run in runs)


def test_climbing_gives_up_where_nothing_helps() -> None:
    problem = Problem(4, 1, traitors=frozenset({0}))
    runs = list(islice(climb(problem, tuple(slots_of(problem)), Random(0)), 1_000))

    assert all(run.holds for run in runs)
    assert len(runs) < 1_000


def test_the_search_space_is_every_message_from_a_traitor_to_a_loyal_lieutenant() -> None:
    problem = Problem(6, 2, commander=3, traitors=frozenset({1, 3}))
    owed = oral_messages(problem, follow({})).owed()

    assert list(slots_of(problem)) == [
        (message.path, message.receiver) for message in owed if message.path[-1] in (1, 3) and message.receiver != 1
    ]


def test_discord_counts_votes_that_ic1_and_ic2_do_not_want() -> None:
    def run(traitors: set[int], lies: dict[object, str]) -> OralRun:
        return oral_messages(Problem(4, 1, traitors=frozenset(traitors)), follow(lies))  # type: ignore[arg-type]

    assert discord(run({3}, {})) == 0
    assert discord(run({3}, {((0, 3), 1): RETREAT})) == 1
    assert discord(run({0, 3}, {((0, 3), 1): RETREAT})) == 1
    assert discord(run({0}, {((0,), 1): RETREAT})) == 0, "all three hold the same votes"


def test_searches_are_functions_of_their_seed() -> None:
    first, second = (search_oral(7, 2, 3, seed=8) for _ in range(2))

    assert first == second


@each_choice
@pytest.mark.parametrize(("n", "m"), [(3, 0), (4, 1), (5, 1), (5, 2), (6, 3)])
def test_sm_is_broken_by_m_plus_1_traitors(n: int, m: int, choice: Choice) -> None:
    result = search_signed(n, m, m + 1, choice=choice)

    assert result.found is not None
    assert not result.found.run.ic1
    assert result.found.run.ic2


@each_choice
@pytest.mark.parametrize(("n", "m"), [(3, 1), (4, 1), (4, 2)])
def test_sm_with_m_traitors_is_searched_whole(n: int, m: int, choice: Choice) -> None:
    result = search_signed(n, m, m, choice=choice)

    assert result.found is None
    assert result.is_exhaustive
    assert result.runs == 44 + 4 ** ((n - m) * m), "n-m loyal lieutenants, m rounds, four things to show"


@each_choice
def test_sm_with_m_plus_1_traitors_and_one_loyal_lieutenant_is_vacuous(choice: Choice) -> None:
    assert search_signed(3, 1, 2, choice=choice).found is None


def test_random_schedules_find_what_the_named_strategies_are_not_asked_for() -> None:
    problem = Problem(5, 1, traitors=frozenset({0, 1}))
    attempts = random_schedules(problem, tuple(showings_of(problem)), Random(0))

    assert any(not next(attempts).run.ic1 for _ in range(50))


def test_sm_guided() -> None:
    result = search_signed(6, 2, 2, runs_max=100)

    assert (result.found, result.runs, result.is_exhaustive) == (None, 100, False)


def test_searches_too_large_are_refused_with_the_count() -> None:
    with pytest.raises(GeneralsError, match="2,428,804"):
        search_oral(15, 5, 5)


def test_more_traitors_than_generals_are_refused() -> None:
    with pytest.raises(GeneralsError, match="5 traitors but only 4 generals"):
        search_oral(4, 1, 5)


def test_a_large_search_in_which_one_set_of_traitors_has_nothing_to_say() -> None:
    """In OM(0) lieutenants send nothing; only the commander's lies are searched, and they succeed."""
    result = search_oral(40, 0, 1)

    assert result.found is not None
    assert not result.is_exhaustive


def test_no_traitors_no_violation() -> None:
    assert search_oral(4, 1, 0).found is None
    assert search_signed(4, 1, 0).found is None


def test_the_table_shows_both_bounds() -> None:
    cells = {(cell.n, cell.m): cell for cell in table(7, 2)}

    assert set(cells) == {(3, 1), *((n, m) for n in range(4, 8) for m in (1, 2))}
    for (n, m), cell in cells.items():
        assert (cell.oral.found is None) == (n > 3 * m), (n, m)
        assert cell.signed.found is None
        assert (cell.signed_one_more is None) == (n < m + 3)
        assert cell.signed_one_more is None or cell.signed_one_more.found is not None
        assert not cell.is_defect
    assert (cells[7, 2].rounds, cells[7, 2].oral_total, cells[7, 2].oral_last_round) == (3, 156, 120)
    assert cells[7, 2].signed_total == 36

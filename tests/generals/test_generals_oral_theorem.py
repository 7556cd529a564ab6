"""Theorem 1: OM(m) satisfies IC1 and IC2 with more than 3m generals and at most m traitors. And no more."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import ATTACK, CHOICES, ORAL_STRATEGIES, RETREAT, OralRun, Problem, oral_messages, three_worlds
from quorate.generals.orders import Choice, Utterance
from quorate.generals.search import follow
from quorate.generals.three_worlds import camps, same_views, views
from quorate.generals.traitors import Path

each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


def owed_by_traitors(problem: Problem) -> list[tuple[Path, int]]:
    """Every message that a traitor may lie in, those to other traitors included."""
    return [
        ((problem.commander, *relays), receiver)
        for depth in range(problem.m + 1)
        for *relays, receiver in permutations(problem.lieutenants, depth + 1)
        if (relays[-1] if relays else problem.commander) in problem.traitors
    ]


def all_lies(problem: Problem, words: Sequence[str]) -> Iterator[OralRun]:
    owed = owed_by_traitors(problem)
    for said in product(words, repeat=len(owed)):
        yield oral_messages(problem, follow(dict(zip(owed, said, strict=True))))


@each_choice
def test_every_lie_of_every_single_traitor_among_four_and_five(choice: Choice) -> None:
    """136 runs: both orders, every traitor, every lie."""
    runs = [
        run
        for n in (4, 5)
        for traitor in range(n)
        for order in (ATTACK, RETREAT)
        for run in all_lies(Problem(n, 1, order, traitors=frozenset({traitor}), choice=choice), (ATTACK, RETREAT))
    ]

    assert len(runs) == 136
    assert all(run.ic1 and run.ic2 and not run.outside_bound for run in runs)


@each_choice
def test_every_lie_with_a_third_order_among_four(choice: Choice) -> None:
    for commander, traitor, order in product(range(4), range(4), (ATTACK, "wait")):
        problem = Problem(4, 1, order, commander, frozenset({traitor}), choice)
        assert all(run.holds for run in all_lies(problem, (ATTACK, RETREAT, "wait")))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_no_traitors_and_om_0(n: int) -> None:
    for commander, order in product(range(n), (ATTACK, RETREAT)):
        run = oral_messages(Problem(n, 0, order, commander), ORAL_STRATEGIES["split"])
        assert set(run.decisions.values()) == {order}
        assert run.holds


@st.composite
def inside_the_bound(draw: st.DrawFn) -> Problem:
    m = draw(st.integers(1, 3))
    n = draw(st.integers(3 * m + 1, 10 if m == 3 else 9))
    return Problem(
        n=n,
        m=m,
        order=draw(st.sampled_from([ATTACK, RETREAT, "wait"])),
        commander=draw(st.integers(0, n - 1)),
        traitors=frozenset(draw(st.sets(st.integers(0, n - 1), max_size=m))),
        choice=draw(st.sampled_from(list(CHOICES.values()))),
        seed=draw(st.integers(0, 10**6)),
    )


@settings(deadline=None, max_examples=150)
@given(problem=inside_the_bound(), name=st.sampled_from(list(ORAL_STRATEGIES)))
def test_named_strategies_break_nothing_inside_the_bound(problem: Problem, name: str) -> None:
    run = oral_messages(problem, ORAL_STRATEGIES[name])

    assert run.outside_bound == ""
    assert run.ic1
    assert run.ic2


@settings(deadline=None, max_examples=150)
@given(problem=inside_the_bound(), words=st.lists(st.sampled_from([ATTACK, RETREAT, "wait", None]), min_size=7))
def test_arbitrary_lies_break_nothing_inside_the_bound(problem: Problem, words: list[Utterance]) -> None:
    """The lies go round a list whose length has little to do with anybody's number of messages."""
    run = oral_messages(
        problem,
        lambda _, occasion: words[(7 * sum(occasion.path) + 3 * occasion.receiver + len(occasion.path)) % len(words)],
    )

    assert run.holds


@each_choice
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_three_m_generals_are_broken_by_a_strategy_that_is_found(m: int, choice: Choice) -> None:
    worlds = three_worlds(3 * m, m, choice)

    assert any(world.is_broken for world in worlds)
    assert all(len(world.run.problem.traitors) <= m for world in worlds)


@pytest.mark.parametrize("tie", [ATTACK, RETREAT])
def test_three_generals_fail_however_they_choose(tie: str) -> None:
    """With two orders a choice of two votes is free only where they differ: both ways lose."""

    def choice(orders: Sequence[str]) -> str:
        return orders[0] if len(set(orders)) == 1 else tie

    assert any(world.is_broken for world in three_worlds(3, 1, choice))  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "m"), [(3, 1), (4, 2), (5, 2), (6, 2), (7, 3), (9, 3), (12, 4)])
def test_in_the_three_worlds_the_loyal_cannot_tell_which_is_which(n: int, m: int) -> None:
    """Camp B hears the same in worlds 1 and 3, camp C in 2 and 3: this is the proof of section 2."""
    worlds = three_worlds(n, m)
    same = same_views(worlds)

    for general, camp in camps(n).items():
        if camp == "B":
            assert same[general] == (1, 3)
        if camp == "C":
            assert same[general] == (2, 3)
    for world in worlds[:2]:
        assert world.run.problem.is_commander_loyal
    assert [world.run.problem.order for world in worlds[:2]] == [ATTACK, RETREAT]
    assert not worlds[2].run.problem.is_commander_loyal


@pytest.mark.parametrize(("n", "m"), [(4, 1), (5, 1), (7, 2), (10, 3)])
def test_one_general_more_than_3m_and_the_three_worlds_need_too_many_traitors(n: int, m: int) -> None:
    assert any(len(world.run.problem.traitors) > m for world in three_worlds(n, m))


def test_views_hold_every_message_that_is_owed() -> None:
    run = three_worlds(6, 2)[0].run

    assert sum(map(len, views(run).values())) == sum(1 for _ in run.owed())


@pytest.mark.parametrize(("n", "m"), [(4, 1), (7, 2)])
def test_one_traitor_more_than_m_breaks_om(n: int, m: int) -> None:
    broken = [
        (name, traitors)
        for name, strategy in ORAL_STRATEGIES.items()
        for traitors in combinations(range(n), m + 1)
        if not oral_messages(Problem(n, m, traitors=frozenset(traitors)), strategy).holds
    ]

    assert broken

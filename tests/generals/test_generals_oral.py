"""OM(m): the paper's worked examples by name, and the recursion of section 3 as an oracle."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import (
    ATTACK,
    CHOICES,
    ORAL_STRATEGIES,
    RETREAT,
    GeneralsError,
    Late,
    Problem,
    majority,
    oral_messages,
)
from quorate.generals.orders import Utterance, obeyed
from quorate.generals.search import follow
from quorate.generals.three_worlds import views
from quorate.generals.traitors import Occasion, OralStrategy


def test_figure_3_lieutenant_3_a_traitor() -> None:
    """Lieutenant 2 holds v, v and x, and obtains v."""
    lies = {((0, 3), 1): "x", ((0, 3), 2): "x"}
    run = oral_messages(Problem(4, 1, order="v", traitors=frozenset({3})), follow(lies))

    assert run.votes(2) == {1: "v", 2: "v", 3: "x"}
    assert run.decisions == {0: "v", 1: "v", 2: "v"}
    assert run.ic1
    assert run.ic2


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("values", [("x", "y", "z"), ("x", "x", "z"), ("z", "x", "z"), (None, "x", "x")])
def test_figure_4_the_commander_a_traitor(choice: object, values: tuple[Utterance, ...]) -> None:
    """Every lieutenant holds x, y and z and obtains the same, whether or not any of them are equal."""
    lies = {((0,), lieutenant): value for lieutenant, value in enumerate(values, start=1)}
    problem = Problem(4, 1, traitors=frozenset({0}), choice=choice)  # type: ignore[arg-type]
    run = oral_messages(problem, lambda _, occasion: lies[occasion.path, occasion.receiver])

    held = {lieutenant: obeyed(value) for lieutenant, value in enumerate(values, start=1)}
    assert [run.votes(lieutenant) for lieutenant in (1, 2, 3)] == [held] * 3
    assert len(set(run.decisions.values())) == 1
    assert run.decisions[1] == problem.choice(list(held.values()))


def test_figures_1_and_2_look_the_same_to_lieutenant_1() -> None:
    """Three generals, one traitor: a lying lieutenant 2, or a commander who said two things (section 2)."""
    figure_1 = oral_messages(Problem(3, 1, traitors=frozenset({2})), follow({((0, 2), 1): RETREAT}))
    figure_2 = oral_messages(Problem(3, 1, traitors=frozenset({0})), follow({((0,), 1): ATTACK, ((0,), 2): RETREAT}))

    assert views(figure_1)[1] == views(figure_2)[1]
    assert figure_1.decisions[1] == figure_2.decisions[1] == RETREAT
    assert not figure_1.ic2, "the loyal commander of figure 1 ordered attack"


def test_a_silent_commander_makes_everybody_retreat() -> None:
    run = oral_messages(Problem(4, 1, traitors=frozenset({0})), ORAL_STRATEGIES["silent"])

    assert run.decisions == {1: RETREAT, 2: RETREAT, 3: RETREAT}
    assert run.sent_by_round == (0, 6), "the lieutenants still tell one another that they take it for retreat"


def test_a_late_order_is_no_order() -> None:
    run = oral_messages(Problem(4, 1, traitors=frozenset({0})), ORAL_STRATEGIES["late"])

    assert run.decisions == {1: RETREAT, 2: RETREAT, 3: RETREAT}
    assert [message.said for message in run.messages()][:3] == [Late(ATTACK)] * 3
    assert run.sent_by_round == (3, 6), "late messages were sent all the same"


def recursion(problem: Problem, strategy: OralStrategy) -> dict[int, str]:
    """OM(m) as section 3 writes it, with no thought of speed: what each lieutenant obtains."""

    def om(m: int, commander: int, prefix: tuple[int, ...], order: str, others: tuple[int, ...]) -> dict[int, str]:
        path = (*prefix, commander)
        received = {}
        for i in others:
            said = strategy(problem, Occasion(path, i, i, order)) if commander in problem.traitors else order
            received[i] = obeyed(said)
        if m == 0:
            return received
        obtained = {j: om(m - 1, j, path, received[j], tuple(i for i in others if i != j)) for j in others}
        return {i: problem.choice([received[i] if j == i else obtained[j][i] for j in others]) for i in others}

    return om(problem.m, problem.commander, (), problem.order, problem.lieutenants)


@st.composite
def problems(draw: st.DrawFn, n_max: int = 7, m_max: int = 3) -> Problem:
    n = draw(st.integers(1, n_max))
    return Problem(
        n=n,
        m=draw(st.integers(0, m_max)),
        order=draw(st.sampled_from([ATTACK, RETREAT, "wait"])),
        commander=draw(st.integers(0, n - 1)),
        traitors=frozenset(draw(st.sets(st.integers(0, n - 1)))),
        choice=draw(st.sampled_from(list(CHOICES.values()))),
        seed=draw(st.integers(0, 99)),
    )


@settings(deadline=None, max_examples=150)
@given(problem=problems(), name=st.sampled_from(list(ORAL_STRATEGIES)))
def test_the_tree_gives_what_the_recursion_gives(problem: Problem, name: str) -> None:
    """Inside and outside the bound, whoever commands, whoever betrays."""
    strategy = ORAL_STRATEGIES[name]
    run = oral_messages(problem, strategy)
    expected = recursion(problem, strategy)

    assert {i: run.decisions[i] for i in problem.loyal_lieutenants} == {
        i: expected[i] for i in problem.loyal_lieutenants
    }
    assert set(run.decisions) == set(range(problem.n)) - problem.traitors


@settings(deadline=None, max_examples=40)
@given(problem=problems(n_max=6, m_max=2), name=st.sampled_from(list(ORAL_STRATEGIES)))
def test_loyal_generals_pass_on_what_they_heard_and_votes_add_up(problem: Problem, name: str) -> None:
    run = oral_messages(problem, ORAL_STRATEGIES[name])
    said = {(message.path, message.receiver): obeyed(message.said) for message in run.owed()}

    for (path, _), order in said.items():
        if path[-1] not in problem.traitors:
            assert order == (said[path[:-1], path[-1]] if len(path) > 1 else problem.order)
    for lieutenant in problem.loyal_lieutenants if problem.m else ():
        assert run.decisions[lieutenant] == problem.choice(list(run.votes(lieutenant).values()))


def test_every_run_is_a_function_of_its_arguments() -> None:
    first, second, other = (
        oral_messages(Problem(7, 2, traitors=frozenset(traitors), seed=seed), ORAL_STRATEGIES["random"])
        for traitors, seed in (([0, 3], 5), ([3, 0], 5), ([0, 3], 6))
    )

    assert first == second
    assert list(first.messages()) != list(other.messages())


@pytest.mark.parametrize("name", ORAL_STRATEGIES)
def test_every_strategy_betrays(name: str) -> None:
    """A traitor who says what a loyal general says would make every test pass."""
    problem = Problem(5, 1, traitors=frozenset({0, 2}), seed=3)
    run = oral_messages(problem, ORAL_STRATEGIES[name])
    by_traitors = [message for message in run.owed() if message.path[-1] in problem.traitors]

    assert any(message.said != ATTACK for message in by_traitors)


def test_colluding_traitors_keep_each_camp_in_its_story() -> None:
    problem = Problem(9, 2, traitors=frozenset({0, 4}))
    run = oral_messages(problem, ORAL_STRATEGIES["colluding"])
    told: dict[int, set[Utterance]] = {}
    for message in run.messages():
        if message.path[-1] in problem.traitors and message.receiver not in problem.traitors:
            told.setdefault(message.receiver, set()).add(message.said)

    assert [message.said for message in run.messages() if message[1:3] == ((0,), 4)] == [ATTACK], "no lies to a friend"
    assert told == {1: {ATTACK}, 2: {ATTACK}, 3: {ATTACK}, 5: {ATTACK}, 6: {RETREAT}, 7: {RETREAT}, 8: {RETREAT}}


def test_path_dependent_traitors_contradict_themselves() -> None:
    problem = Problem(7, 2, traitors=frozenset({4}))
    run = oral_messages(problem, ORAL_STRATEGIES["path-dependent"])

    told_to_1 = {message.said for message in run.messages() if message.path[-1] == 4 and message.receiver == 1}
    assert told_to_1 == {ATTACK, RETREAT}


def test_more_different_orders_than_a_byte_can_number_are_refused() -> None:
    problem = Problem(300, 0, traitors=frozenset({0}))

    with pytest.raises(GeneralsError, match="256"):
        oral_messages(problem, lambda _, occasion: f"order {occasion.receiver}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"n": 0, "m": 0}, "n is 0"),
        ({"n": 4, "m": -1}, "m is -1"),
        ({"n": 4, "m": 1, "traitors": frozenset({4})}, "Traitor 4 is unknown"),
        ({"n": 4, "m": 1, "traitors": frozenset(range(5))}, "5 traitors but only 4 generals"),
        ({"n": 4, "m": 1, "commander": 7}, "commander 7 is unknown"),
        ({"n": 4, "m": 1, "order": ""}, "cannot be sent"),
        ({"n": 4, "m": 1, "order": "x" * 41}, "cannot be sent"),
        ({"n": 4, "m": 1, "order": "two\nlines"}, "cannot be sent"),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(GeneralsError, match=complaint):
        Problem(**arguments)  # type: ignore[arg-type]


def test_outside_the_bound_is_said_and_run_all_the_same() -> None:
    def bound(n: int, m: int, traitors: set[int]) -> str:
        return oral_messages(Problem(n, m, traitors=frozenset(traitors)), ORAL_STRATEGIES["split"]).outside_bound

    assert bound(4, 1, {3}) == ""
    assert bound(6, 2, {3}) == "n = 6 is not above 3m = 6"
    assert bound(7, 2, {1, 2, 3}) == "3 traitors are more than m = 2"
    assert bound(2, 1, {0}) == "", "one lieutenant cannot disagree with himself (section 2, footnote)"


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_lemma_1_ic2_needs_more_than_2k_plus_m(n: int) -> None:
    """With a loyal commander, k traitors and n > 2k + m, OM(m) satisfies IC2, be n > 3m or not."""
    for m in (1, 2):
        for k in range((n - m - 1) // 2 + 1):
            for traitors in combinations(range(1, n), k):
                for name, strategy in ORAL_STRATEGIES.items():
                    run = oral_messages(Problem(n, m, traitors=frozenset(traitors), choice=majority), strategy)
                    assert run.ic2, (n, m, traitors, name)

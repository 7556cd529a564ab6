"""Message counts against the closed formulas, and the refusal of what is too large."""

import pytest

from quorate.generals import ORAL_STRATEGIES, SIGNED_STRATEGIES, GeneralsError, Problem, oral_messages, signed_messages
from quorate.generals.counting import oral_rounds, oral_total, paper_product, signed_total_all_loyal

# (n, m): (all messages of OM(m), those of its last round, which is the product that L82 quotes)
ORAL = {
    (4, 1): (9, 6),
    (5, 1): (16, 12),
    (6, 1): (25, 20),
    (7, 1): (36, 30),
    (7, 2): (156, 120),
    (8, 2): (259, 210),
    (10, 2): (585, 504),
    (10, 3): (3609, 3024),
    (11, 3): (5860, 5040),
    (13, 3): (13344, 11880),
    (13, 4): (108384, 95040),
}


@pytest.mark.parametrize(("n", "m"), ORAL)
def test_formulas_give_the_totals_and_the_papers_products(n: int, m: int) -> None:
    assert (oral_total(n, m), paper_product(n, m)) == ORAL[n, m]


@pytest.mark.parametrize(("n", "m"), ORAL)
def test_a_run_sends_what_the_formulas_say(n: int, m: int) -> None:
    run = oral_messages(Problem(n, m, traitors=frozenset({0, n - 1})), ORAL_STRATEGIES["split"])

    assert (run.total_messages, run.last_round_messages) == ORAL[n, m]
    assert run.sent_by_round == tuple(oral_rounds(n, m))
    assert run.rounds == len(run.sent_by_round) == m + 1


@pytest.mark.parametrize(("n", "m"), [(n, m) for n in range(1, 7) for m in range(4)])
def test_total_obeys_the_recursion_of_the_algorithm(n: int, m: int) -> None:
    """OM(m) is n-1 messages and n-1 runs of OM(m-1) among the others."""
    expected = n - 1 if m == 0 or n == 1 else (n - 1) + (n - 1) * oral_total(n - 1, m - 1)

    assert oral_total(n, m) == expected


@pytest.mark.parametrize(("n", "m"), [(4, 1), (7, 2), (5, 3)])
def test_messages_of_the_trace_are_as_many_as_counted(n: int, m: int) -> None:
    run = oral_messages(Problem(n, m, traitors=frozenset({1})), ORAL_STRATEGIES["random"])

    assert sum(1 for _ in run.messages()) == run.total_messages < oral_total(n, m) == sum(1 for _ in run.owed())


def test_om_k_below_the_top_is_invoked_as_often_as_the_paper_says() -> None:
    """OM(m-k) is called (n-1)...(n-k) times, each time with a prefix of k lieutenants (section 3)."""
    run = oral_messages(Problem(7, 2), ORAL_STRATEGIES["split"])
    prefixes = [{message.path for message in run.messages() if message.round == k + 1} for k in range(3)]

    assert [len(each) for each in prefixes] == [1, 6, 6 * 5]
    assert all(len(set(path)) == len(path) == k + 1 for k, each in enumerate(prefixes) for path in each)


@pytest.mark.parametrize(("n", "m"), [(1, 3), (2, 1), (3, 2), (4, 5)])
def test_more_rounds_than_generals_are_rounds_in_which_nobody_has_anybody_to_tell(n: int, m: int) -> None:
    run = oral_messages(Problem(n, m), ORAL_STRATEGIES["split"])

    assert run.rounds == m + 1
    assert run.last_round_messages == paper_product(n, m) == 0
    assert run.total_messages == oral_total(n, m)
    assert run.holds


@pytest.mark.parametrize(
    ("n", "m", "expected"), [(3, 1, 4), (4, 1, 9), (5, 1, 16), (6, 4, 25), (7, 5, 36), (10, 8, 81)]
)
def test_sm_without_traitors_sends_n_minus_1_squared_whatever_m(n: int, m: int, expected: int) -> None:
    run = signed_messages(Problem(n, m), SIGNED_STRATEGIES["split"])

    assert run.total_messages == signed_total_all_loyal(n, m) == expected


def test_the_papers_product_bounds_sm_for_large_m_only() -> None:
    """L82 quotes it for SM too; the count above does not depend on m, the product does."""
    assert signed_total_all_loyal(4, 1) == 9 > paper_product(4, 1) == 6
    assert signed_total_all_loyal(7, 5) == 36 < paper_product(7, 5) == 720


@pytest.mark.parametrize(("n", "m", "expected"), [(4, 1, 9), (4, 2, 12), (5, 2, 24), (7, 2, 60)])
def test_sm_with_an_equivocating_commander(n: int, m: int, expected: int) -> None:
    run = signed_messages(Problem(n, m, traitors=frozenset({0})), SIGNED_STRATEGIES["split"])

    assert run.total_messages == expected <= 2 * (n - 1) ** 2


@pytest.mark.parametrize(
    ("n", "m", "count"), [(18, 6, "107,732,689"), (40, 12, "more than 10^18"), (10**9, 0, "999,999,999")]
)
def test_om_too_large_is_refused_with_the_count(n: int, m: int, count: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a message was sent")

    with pytest.raises(GeneralsError, match=count.replace("^", r"\^")):
        oral_messages(Problem(n, m, traitors=frozenset({0})), never)


def test_sm_too_large_is_refused_with_the_count() -> None:
    with pytest.raises(GeneralsError, match="7,992,002"):
        signed_messages(Problem(2000, 1), SIGNED_STRATEGIES["split"])

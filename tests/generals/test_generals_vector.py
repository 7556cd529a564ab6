"""Interactive consistency: n runs, each general the commander once (L82 section 1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import (
    ATTACK,
    ORAL_STRATEGIES,
    RETREAT,
    SIGNED_STRATEGIES,
    GeneralsError,
    Problem,
    interactive_consistency,
    oral_messages,
    signed_messages,
)

ORDERS = st.sampled_from([ATTACK, RETREAT, "wait"])


def test_the_traitors_entry_is_the_same_everywhere_and_the_others_are_their_own() -> None:
    orders = (ATTACK, RETREAT, RETREAT, ATTACK)
    result = interactive_consistency(
        Problem(4, 1, traitors=frozenset({3})), orders, lambda each: oral_messages(each, ORAL_STRATEGIES["split"])
    )

    assert set(result.vectors) == {0, 1, 2}
    assert len({vector[3] for vector in result.vectors.values()}) == 1
    assert all(vector[:3] == orders[:3] for vector in result.vectors.values())
    assert result.is_consistent
    assert result.is_valid
    assert result.total_messages == 4 * 9
    assert len(set(result.plans.values())) == 1


@settings(deadline=None, max_examples=40)
@given(data=st.data(), name=st.sampled_from(list(ORAL_STRATEGIES)))
def test_oral_vectors_agree_inside_the_bound(data: st.DataObject, name: str) -> None:
    m = data.draw(st.integers(1, 2))
    n = data.draw(st.integers(3 * m + 1, 8))
    traitors = data.draw(st.frozensets(st.integers(0, n - 1), max_size=m))
    orders = data.draw(st.lists(ORDERS, min_size=n, max_size=n))
    result = interactive_consistency(
        Problem(n, m, traitors=traitors), orders, lambda each: oral_messages(each, ORAL_STRATEGIES[name])
    )

    assert result.outside_bound == ""
    assert result.is_consistent
    assert result.is_valid


@settings(deadline=None, max_examples=30)
@given(data=st.data(), name=st.sampled_from(list(SIGNED_STRATEGIES)))
def test_signed_vectors_agree_inside_the_bound(data: st.DataObject, name: str) -> None:
    n = data.draw(st.integers(3, 5))
    m = data.draw(st.integers(1, n - 2))
    traitors = data.draw(st.frozensets(st.integers(0, n - 1), max_size=m))
    orders = data.draw(st.lists(ORDERS, min_size=n, max_size=n))
    result = interactive_consistency(
        Problem(n, m, traitors=traitors), orders, lambda each: signed_messages(each, SIGNED_STRATEGIES[name])
    )

    assert result.is_consistent
    assert result.is_valid


def test_three_generals_cannot_agree_on_a_vector() -> None:
    result = interactive_consistency(
        Problem(3, 1, traitors=frozenset({2})),
        (ATTACK, ATTACK, ATTACK),
        lambda each: oral_messages(each, ORAL_STRATEGIES["constant"]),
    )

    assert not result.is_valid
    assert result.outside_bound == "n = 3 is not above 3m = 3"


def test_every_general_needs_an_order() -> None:
    with pytest.raises(GeneralsError, match="4 generals need 4 orders, not 2"):
        interactive_consistency(
            Problem(4, 1), (ATTACK, RETREAT), lambda each: oral_messages(each, ORAL_STRATEGIES["split"])
        )

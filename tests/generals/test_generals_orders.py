"""How one order is made of many (L82 sections 3 and 4)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.generals import ATTACK, CHOICES, RETREAT, majority, median
from quorate.generals.orders import Choice, Late, obeyed

ORDERS = st.lists(st.sampled_from([ATTACK, RETREAT, "wait"]), max_size=9)

each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


@each_choice
@given(data=st.data(), orders=ORDERS)
def test_choice_does_not_hang_on_the_order_of_its_arguments(
    choice: Choice, data: st.DataObject, orders: list[str]
) -> None:
    assert choice(data.draw(st.permutations(orders))) == choice(orders)


@each_choice
@given(orders=ORDERS, extra=st.integers(min_value=1, max_value=4))
def test_choice_returns_what_more_than_half_are(choice: Choice, orders: Sequence[str], extra: int) -> None:
    most = [*orders, *["hold"] * (len(orders) + extra)]

    assert choice(most) == "hold"


@each_choice
def test_choice_of_nothing_is_retreat(choice: Choice) -> None:
    assert choice([]) == RETREAT


@each_choice
@given(order=st.text(min_size=1))
def test_choice_of_one_order_is_that_order(choice: Choice, order: str) -> None:
    assert choice([order]) == order


def test_majority_without_a_majority_is_retreat() -> None:
    assert majority([ATTACK, "wait"]) == RETREAT
    assert majority([ATTACK, ATTACK, "wait", RETREAT]) == RETREAT


def test_median_is_the_middle_and_the_lower_of_two() -> None:
    assert median(["c", "a", "b"]) == "b"
    assert median(["d", "a", "c", "b"]) == "b"


def test_silence_and_lateness_are_obeyed_as_retreat() -> None:
    assert [obeyed(said) for said in (None, Late(ATTACK), ATTACK)] == [RETREAT, RETREAT, ATTACK]

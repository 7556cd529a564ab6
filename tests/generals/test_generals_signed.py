"""SM(m): the paper's worked example, Theorem 2, and every way of tampering that A4 rules out."""

from collections.abc import Iterator
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import ATTACK, CHOICES, RETREAT, SIGNED_STRATEGIES, Problem, SignedRun, signed_messages
from quorate.generals.search_signed import show
from quorate.generals.signatures import SignedOrder
from quorate.generals.signed import Fate
from quorate.generals.signed_traitors import Letter, Vantage


def run_of(n: int, m: int, traitors: set[int], name: str, **more: object) -> SignedRun:
    problem = Problem(n, m, traitors=frozenset(traitors), **more)  # type: ignore[arg-type]
    return signed_messages(problem, SIGNED_STRATEGIES[name])


def test_figure_5_sm_1_the_commander_a_traitor() -> None:
    """Both lieutenants hold attack and retreat, make the same choice, and know who the traitor is."""
    run = signed_messages(Problem(3, 1, traitors=frozenset({0})), show({(1, 1): (ATTACK,), (1, 2): (RETREAT,)}))

    assert {(message.receiver, str(message.signed_order)) for message in run.messages} == {
        (1, "attack:0"),
        (2, "retreat:0"),
        (2, "attack:0:1"),
        (1, "retreat:0:2"),
    }
    assert run.orders_held == {1: (ATTACK, RETREAT), 2: (ATTACK, RETREAT)}
    assert run.decisions == {1: RETREAT, 2: RETREAT}


def test_three_generals_withstand_a_lying_lieutenant_too() -> None:
    """Where OM(1) fails (figure 1), the lie about a loyal commander is dropped."""
    run = run_of(3, 1, {2}, "forged")

    assert run.decisions == {0: ATTACK, 1: ATTACK}
    assert [(message.sender, message.reason) for message in run.dropped] == [(2, "a signature is not genuine")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("forged", "a signature is not genuine"),
        ("altered", "a signature is not genuine"),
        ("repeated-signer", "somebody signed twice"),
        ("truncated-chain", "the commander's signature is missing"),
        ("late", "signed by 2 in round 3: late"),
    ],
)
def test_tampering_lieutenants_are_ignored(name: str, reason: str) -> None:
    run = run_of(5, 2, {1, 2}, name)

    assert {message.reason for message in run.dropped} == {reason}
    assert {message.sender for message in run.dropped} == {1, 2}
    assert run.orders_held == {3: (ATTACK,), 4: (ATTACK,)}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("forged", "a signature is not genuine"),
        ("repeated-signer", "somebody signed twice"),
        ("truncated-chain", "the commander's signature is missing"),
        ("late", "signed by 1 in round 2: late"),
    ],
)
def test_tampering_commanders_are_ignored(name: str, reason: str) -> None:
    run = run_of(4, 1, {0}, name)

    assert {message.reason for message in run.dropped if message.sender == 0} == {reason}
    assert len(set(run.decisions.values())) == 1


def test_what_comes_after_the_last_round_is_late() -> None:
    run = run_of(4, 1, {1}, "late")
    after = [message for message in run.messages if message.round == 3]

    assert after
    assert {message.reason for message in after} == {"round 2 was the last: late"}
    assert run.rounds == 2
    assert run.last_round_messages == run.sent_by_round[1]


def test_a_chain_is_not_accepted_before_its_round() -> None:
    def hasty(vantage: Vantage) -> Iterator[Letter]:
        if vantage.round == 1 and vantage.is_commander:
            yield Letter(2, vantage.keyring.sign(vantage.issue(ATTACK), 1))

    run = signed_messages(Problem(4, 2, traitors=frozenset({0, 1})), hasty)

    assert [message.reason for message in run.dropped] == ["signed by 2 in round 1: early"]


def test_a_chain_that_the_receiver_signed_is_not_news_to_him() -> None:
    def echo(vantage: Vantage) -> Iterator[Letter]:
        for heard in vantage.heard.get(vantage.round - 1, ()):
            yield Letter(heard.signers[-1], vantage.keyring.sign(heard, vantage.traitor))

    run = signed_messages(Problem(4, 2, traitors=frozenset({3})), echo)

    assert {message.reason for message in run.dropped} == {"the receiver has signed it himself"}


def test_a_second_order_straight_from_the_commander_is_passed_on() -> None:
    """(2B) with k = 0: else lieutenant 2, who was told one order only, would never learn of the other."""
    run = signed_messages(Problem(3, 1, traitors=frozenset({0})), show({(1, 1): (ATTACK, RETREAT), (1, 2): (ATTACK,)}))

    assert run.orders_held == {1: (ATTACK, RETREAT), 2: (ATTACK, RETREAT)}
    assert run.ic1


def test_traitors_may_sign_for_one_another() -> None:
    """The commander takes part in round 1 only; lieutenant 1 brings out a second order that he had no word of."""
    run = run_of(5, 2, {0, 1}, "colluding")
    hidden = next(message for message in run.messages if str(message.signed_order) == "retreat:0:1")

    assert all(message.receiver != 1 or message.signed_order.order == ATTACK for message in run.messages[:4])
    assert hidden.fate is Fate.ADDED
    assert set(run.orders_held.values()) == {(ATTACK, RETREAT)}, "m is enough: the order still gets round"


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_m_plus_1_traitors_break_sm(m: int, choice: object) -> None:
    """A chain of m+1 traitors surfaces in round m+1, when nobody can pass it on. IC2 still holds."""
    runs = [run_of(m + 3, m, set(range(m + 1)), "colluding", order=order, choice=choice) for order in (ATTACK, RETREAT)]

    assert any(not run.ic1 for run in runs)
    assert all(run.outside_bound == f"{m + 1} traitors are more than m = {m}" for run in runs)
    assert all(set(map(len, run.orders_held.values())) == {1, 2} for run in runs)


def test_more_traitors_than_rounds_have_no_need_of_all_their_signatures() -> None:
    run = run_of(6, 1, {0, 1, 2, 3}, "colluding")

    assert not run.ic1
    assert {len(message.signed_order.signers) for message in run.messages} == {1, 2}


@pytest.mark.parametrize("m", [0, 1, 2])
def test_the_same_traitors_do_not_break_sm_one_deeper(m: int) -> None:
    for order in (ATTACK, RETREAT):
        assert run_of(m + 3, m + 1, set(range(m + 1)), "colluding", order=order).holds


@pytest.mark.parametrize("name", SIGNED_STRATEGIES)
def test_every_set_of_up_to_m_traitors_among_up_to_five(name: str) -> None:
    """IC1, IC2, and equal V at all loyal lieutenants."""
    for n in range(2, 6):
        for m in range(min(n - 1, 3)):
            for size in range(m + 1):
                for traitors, order in product(combinations(range(n), size), (ATTACK, RETREAT)):
                    run = run_of(n, m, set(traitors), name, order=order)
                    assert run.holds, (n, m, traitors)
                    assert len(set(run.orders_held.values())) <= 1
                    assert run.outside_bound == ""


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_any_schedule_of_up_to_m_traitors_leaves_equal_sets(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 8))
    m = data.draw(st.integers(1, n - 2))
    traitors = frozenset({0}) | data.draw(st.frozensets(st.integers(1, n - 1), max_size=m - 1))
    showing = st.tuples(st.integers(1, m + 1), st.integers(1, n - 1))
    orders = st.sampled_from([(ATTACK,), (RETREAT,), ("wait",), (ATTACK, RETREAT), (RETREAT, "wait")])
    schedule = data.draw(st.dictionaries(showing, orders, max_size=12))

    run = signed_messages(Problem(n, m, traitors=traitors), show(schedule))

    assert len(set(run.orders_held.values())) <= 1
    assert run.ic1


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(list(SIGNED_STRATEGIES)))
def test_a_loyal_commander_is_obeyed_whatever_the_number_of_traitors(data: st.DataObject, name: str) -> None:
    """IC2 hangs on no bound: nobody can make up an order of his (proof of Theorem 2)."""
    n = data.draw(st.integers(2, 8))
    commander = data.draw(st.integers(0, n - 1))
    others = [general for general in range(n) if general != commander]
    traitors = data.draw(st.sets(st.sampled_from(others)))
    run = run_of(
        n, data.draw(st.integers(0, 3)), traitors, name, commander=commander, seed=data.draw(st.integers(0, 9))
    )

    assert run.ic2
    assert all(held == (ATTACK,) for held in run.orders_held.values())


def test_a_traitor_too_relays_each_order_once() -> None:
    """He hears retreat from 1, 3 and 5 in one round, and picks one chain to extend."""
    run = run_of(6, 2, {0, 2}, "split")
    by_2 = {str(message.signed_order) for message in run.messages if message.sender == 2}

    assert by_2 == {"attack:0:2", "retreat:0:1:2"}


def test_the_superfluous_signature_of_the_last_lieutenant_is_not_relayed() -> None:
    run = run_of(6, 2, {0}, "split")

    assert max(len(message.signed_order.signers) for message in run.messages) == 3
    assert all(len(message.signed_order.signers) == message.round for message in run.messages)


def test_runs_are_functions_of_their_arguments() -> None:
    first, second = (run_of(6, 2, traitors, "random", seed=4) for traitors in ({0, 3}, {3, 0}))

    assert first == second
    assert run_of(6, 2, {0, 3}, "random", seed=5).messages != first.messages


def test_what_becomes_of_letters_does_not_hang_on_the_order_in_which_traitors_write_them() -> None:
    problem = Problem(6, 2, traitors=frozenset({0, 2, 4}))

    def forwards(vantage: Vantage) -> list[Letter]:
        return [*SIGNED_STRATEGIES["split"](vantage), *SIGNED_STRATEGIES["colluding"](vantage)]

    def backwards(vantage: Vantage) -> list[Letter]:
        return forwards(vantage)[::-1]

    assert signed_messages(problem, forwards).messages == signed_messages(problem, backwards).messages


def test_two_orders_to_one_general_in_one_round_are_both_delivered() -> None:
    run = signed_messages(Problem(2, 0, traitors=frozenset({0})), show({(1, 1): (ATTACK, RETREAT)}))

    assert run.orders_held == {1: (ATTACK, RETREAT)}


def test_nothing_signed_by_anybody_is_no_order() -> None:
    def blank(vantage: Vantage) -> Iterator[Letter]:
        yield Letter(1, SignedOrder(ATTACK))

    run = signed_messages(Problem(2, 0, traitors=frozenset({0})), blank)

    assert run.orders_held == {1: ()}
    assert run.decisions == {1: RETREAT}

"""Every strategy there is can be run, and says what it is."""

from __future__ import annotations

import pytest

from quorate.adversary.registry import CLIENT_STRATEGIES, REPLICA_STRATEGIES
from quorate.errors import ConfigurationError
from quorate.lab.catalogue import ATTACKS, NAMESPACES_SUFFIX, ROWS, Kind, choose_paused, choose_traitor, find_attack
from quorate.lab.paths import SHAPES


def test_every_strategy_is_an_attack() -> None:
    assert {*REPLICA_STRATEGIES, *CLIENT_STRATEGIES} <= set(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_says_what_it_is(name: str) -> None:
    attack = ATTACKS[name]

    assert attack.text
    assert attack.expect
    assert attack.row in ROWS or attack.kind is Kind.PERTURBATION


def test_the_traitor_suits_the_attack() -> None:
    assert choose_traitor(find_attack("equivocate"), 5, 4) == 1
    assert choose_traitor(find_attack("null-for-prepared"), 5, 4) == 2
    assert choose_traitor(find_attack("mute"), 5, 4) == 3


def test_who_is_faulty_anyway_is_chosen_if_it_suits() -> None:
    assert choose_traitor(find_attack("mute"), 5, 4, faulty=[0]) == 0
    assert choose_traitor(find_attack("mute"), 5, 4, faulty=[1]) == 3
    assert choose_traitor(find_attack("equivocate"), 5, 4, faulty=[0]) == 1


def test_every_cut_is_there_without_and_with_namespaces() -> None:
    for name in SHAPES:
        inside = find_attack(name + NAMESPACES_SUFFIX)
        assert inside.in_namespaces
        assert inside.perturbation == find_attack(name).perturbation == name
    assert {attack.perturbation for attack in ATTACKS.values() if attack.in_namespaces} == set(SHAPES)


def test_who_is_paused_is_correct() -> None:
    assert choose_paused(find_attack("equivocate"), 5, 4, [1]) is None
    assert choose_paused(find_attack("null-for-prepared"), 5, 4, [2]) == 1
    assert choose_paused(find_attack("null-for-prepared"), 5, 4, [1]) is None
    assert choose_paused(find_attack("wrong-bodies"), 5, 4, [2]) == 3


def test_strategies_of_a_replica_are_joined() -> None:
    attack = find_attack("equivocate+wrong-replies")

    assert attack.strategies == ("equivocate", "wrong-replies")
    assert attack.row == "P2+B13"


@pytest.mark.parametrize("name", ["nonsense", "equivocate+nonsense", "equivocate+flood", ""])
def test_what_is_no_attack(name: str) -> None:
    with pytest.raises(ConfigurationError):
        find_attack(name)


def test_a_slip_of_the_keys_is_guessed() -> None:
    with pytest.raises(ConfigurationError, match="is equivocate meant"):
        find_attack("equivocte")

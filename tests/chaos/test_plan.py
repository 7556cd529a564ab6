"""The plan comes from the seed alone, and the ledger never lets more than f replicas be hit at once."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.quorum import quorums_of
from quorate.lab.chaos.ledger import Ledger
from quorate.lab.chaos.plan import DESTRUCTIVE, PARTITIONS, WORDS, Fault, Step, draw_plan
from quorate.lab.paths import SHAPES

SEEDS = st.integers(0, 2**32)
REPLICAS = st.sampled_from([4, 5, 7, 10])


@settings(deadline=None)
@given(SEEDS, REPLICAS)
def test_a_seed_gives_one_plan_and_a_longer_one_begins_with_it(seed: int, replicas: int) -> None:
    short, long = (draw_plan(seed, quorums_of(replicas), seconds) for seconds in (30, 60))

    assert short == draw_plan(seed, quorums_of(replicas), 30)
    assert long[: len(short)] == short
    assert len(long) > len(short) > 0
    assert [step.number for step in long] == list(range(1, len(long) + 1))


def test_another_seed_gives_another_plan() -> None:
    assert draw_plan(1, quorums_of(4), 60) != draw_plan(2, quorums_of(4), 60)


@settings(deadline=None)
@given(SEEDS, REPLICAS)
def test_each_step_hits_up_to_f_or_kills_all(seed: int, replicas: int) -> None:
    quorums = quorums_of(replicas)
    for step in draw_plan(seed, quorums, 120):
        assert len(set(step.replicas)) == len(step.replicas)
        assert set(step.replicas) <= set(range(replicas))
        if step.fault is Fault.KILL_ALL:
            assert len(step.replicas) == replicas
        elif step.fault is Fault.KILL_GATEWAY:
            assert step.replicas == ()
        else:
            assert 1 <= len(step.replicas) <= quorums.faults


@settings(deadline=None)
@given(SEEDS)
def test_no_fault_is_long_absent(seed: int) -> None:
    plan = draw_plan(seed, quorums_of(4), 200)

    assert {step.fault for step in plan} == set(Fault)


def test_every_fault_has_its_words_and_every_partition_its_shape() -> None:
    assert set(WORDS) == set(Fault)
    assert set(SHAPES) >= PARTITIONS
    assert Fault.KILL_ALL not in DESTRUCTIVE


@settings(deadline=None)
@given(SEEDS, REPLICAS, SEEDS)
def test_never_more_than_f_are_hit_or_recover(seed: int, replicas: int, chance: int) -> None:
    """Steps begin as soon as the ledger allows it, and replicas recover in any order. Kills of all take nothing from
    anybody; besides them at most f are afflicted, and at most f ever have something to get back."""
    quorums, random = quorums_of(replicas), Random(chance)
    ledger = Ledger(quorums)
    running: dict[Step, set[int]] = {}
    most = 0
    for step in draw_plan(seed, quorums, 60):
        while not ledger.may_begin(step) or (running and random.random() < 0.3):
            recover_one(ledger, running, random)
        others = {one for step, left in running.items() for one in left if step.fault is not Fault.KILL_ALL}
        ledger.begin(step)
        if step.replicas:
            running[step] = set(step.replicas)
        hit = {one for step, left in running.items() for one in left if step.fault is not Fault.KILL_ALL}
        robbed = {one for step, left in running.items() for one in left if step.fault in DESTRUCTIVE}
        most = max(most, len(hit))
        assert len(hit) <= quorums.faults
        assert len(robbed) <= quorums.faults
        assert step.fault is Fault.KILL_ALL or not others & set(step.replicas)
        assert ledger.afflicted == {one for left in running.values() for one in left}
    assert most == quorums.faults


def recover_one(ledger: Ledger, running: dict[Step, set[int]], random: Random) -> None:
    step = random.choice(list(running))
    replica = running[step].pop()
    ledger.release(step, replica)
    if not running[step]:
        del running[step]


def test_while_all_recover_from_being_killed_nobody_else_is_hit() -> None:
    ledger = Ledger(quorums_of(4))
    everybody = step_of(1, Fault.KILL_ALL, 0, 1, 2, 3)
    ledger.begin(step_of(2, Fault.PAUSE, 2))
    assert ledger.may_begin(everybody)
    ledger.begin(everybody)

    assert not ledger.may_begin(step_of(3, Fault.KILL_ALL, 0, 1, 2, 3))
    assert not ledger.may_begin(step_of(4, Fault.KILL, 1))
    assert ledger.may_begin(step_of(5, Fault.KILL_GATEWAY))


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.KILL_ALL, Fault.KILL_GATEWAY}))
def test_who_has_not_recovered_counts(fault: Fault) -> None:
    ledger = Ledger(quorums_of(4))
    first = step_of(1, Fault.DAMAGE_STATE, 3)
    ledger.begin(first)
    assert not ledger.may_begin(step_of(2, fault, 0))
    ledger.release(first, 3)
    assert ledger.may_begin(step_of(2, fault, 0))


def step_of(number: int, fault: Fault, *replicas: int) -> Step:
    return Step(number, 0.5, fault, replicas, 1.0, 7)

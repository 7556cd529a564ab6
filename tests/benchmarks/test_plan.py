"""The plan covers what it promises, whatever is chosen of it."""

from __future__ import annotations

import pytest
from benchmarks.catalogue import OURS, PEERS, SYSTEMS
from benchmarks.plan import FULL, SHORT, WORKLOADS, Load, choose, in_turn
from benchmarks.runner import Plan


def test_the_workloads_are_those_of_the_tables():
    by_client = [workload.outstanding for workload in WORKLOADS if workload.load is Load.CLIENT]
    by_redis_benchmark = [
        (workload.outstanding, workload.pipeline) for workload in WORKLOADS if workload.load is Load.REDIS_BENCHMARK
    ]

    assert by_client == [1, 64, 256, 1000]
    assert by_redis_benchmark == [(50, 1), (50, 16)]


def test_names_of_workloads_differ():
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)


def test_every_system_is_compared_with():
    assert [system.name for system in OURS] == ["quorate", "quorate-sync", "quorate-macs"]
    assert {system.name for system in PEERS} == {"unreplicated", "redis", "pysyncobj", "pysyncobj-installed", "etcd"}
    assert set(SYSTEMS) == {system.name for system in (*OURS, *PEERS)}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_every_system_has_a_setting_and_takes_a_clients_load(system):
    assert system.settings
    assert Load.CLIENT in system.loads


@pytest.mark.parametrize("effort", [SHORT, FULL], ids=["short", "full"])
def test_the_steps_are_all_repetitions_and_the_trials_of_settings(effort):
    plan = Plan(list(SYSTEMS.values()), WORKLOADS, effort)
    by_client, all_loads = 4, 6
    trials = by_client * len(SYSTEMS["pysyncobj"].settings)

    assert plan.steps == effort.repetitions * (4 * by_client + 4 * all_loads) + trials


def test_without_names_everything_is_chosen():
    assert choose([], ["a", "b"], ["x"]) == (["a", "b"], ["x"])


def test_names_of_one_kind_leave_the_other_kind_whole():
    assert choose(["b"], ["a", "b"], ["x", "y"]) == (["b"], ["x", "y"])
    assert choose(["y"], ["a", "b"], ["x", "y"]) == (["a", "b"], ["y"])


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="'c' is neither a system nor a workload"):
        choose(["a", "c"], ["a", "b"], ["x"])


def test_every_system_is_first_in_its_turn():
    assert [in_turn(["a", "b", "c"], repetition) for repetition in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert in_turn([], 1) == []

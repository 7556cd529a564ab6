"""The parts cover what they promise, in both forms, whatever is chosen of them."""

from __future__ import annotations

import pytest
from benchmarks.parts import ALL_ON, PARTS, PEERS, SWITCHES_PART, Form, without_of
from benchmarks.plan import Load, in_turn, only
from benchmarks.session import ATTACKS, ENDURANCE, OTHERS, OUTAGES, Choice
from benchmarks.switches import SWITCHES, all_but, all_on
from benchmarks.systems.quorate import Quorate

from quorate.config import Settings

FORMS = pytest.mark.parametrize("form", Form)
EACH_PART = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)


def test_the_workloads_beside_peers_are_those_of_the_tables():
    closed = [each.outstanding for each in PEERS.workloads if each.load is Load.CLIENT and not each.share]
    opened = [each.share for each in PEERS.workloads if each.share]
    by_redis_benchmark = [
        (each.outstanding, each.pipeline) for each in PEERS.workloads if each.load is Load.REDIS_BENCHMARK
    ]

    assert closed == [1, 64, 256, 1000]
    assert opened == [0.25, 0.5, 0.75]
    assert by_redis_benchmark == [(50, 1), (50, 16)]


def test_an_open_loop_comes_after_what_its_rate_is_a_share_of():
    names = [workload.name for workload in PEERS.workloads]

    for workload in PEERS.workloads:
        if workload.share:
            assert workload.reference in names[: names.index(workload.name)]


@EACH_PART
def test_names_in_a_part_differ(part):
    names = [system.name for system in part.systems] + [workload.name for workload in part.workloads]

    assert len(set(names)) == len(names)
    assert set(part.only_full) <= set(names)


def test_names_of_parts_are_no_names_of_others():
    names = [part.name for part in PARTS] + list(OTHERS)

    assert len(set(names)) == len(names)


@EACH_PART
@FORMS
def test_every_form_of_a_part_has_a_measurement_of_each_system(part, form):
    workloads = part.workloads_in(form)

    for system in part.systems_in(form):
        assert system.settings
        assert any(workload.load in system.loads for workload in workloads)


@EACH_PART
def test_quorates_settings_are_settings(part):
    for system in part.systems:
        if isinstance(system, Quorate):
            assert isinstance(Settings(**system.changes), Settings)


def test_every_system_is_compared_with():
    assert {system.name for system in PEERS.systems} == {
        *("quorate", "quorate-macs", "quorate-sync", "quorate-sync-macs", "unreplicated", "redis", "pysyncobj"),
        *("pysyncobj-installed", "etcd", "etcd-txn"),
    }


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_a_switch_changes_what_it_says_and_nothing_else(switch):
    whole, without = Settings(**all_on()), Settings(**all_but(switch))

    assert switch.on.keys() == switch.off.keys()
    differing = {name for name in Settings.__struct_fields__ if getattr(whole, name) != getattr(without, name)}
    assert differing == set(switch.off)


def test_every_switch_has_its_line():
    systems = {system.name for system in SWITCHES_PART.systems}

    assert systems == {ALL_ON.name, *(without_of(ALL_ON.name, switch.name) for switch in SWITCHES)}


@FORMS
def test_the_steps_are_all_repetitions_and_the_trials_of_settings(form):
    (_, plan), *_ = Choice(form, ["peers"]).plans()
    closed = [each for each in plan.workloads if each.load is Load.CLIENT and not each.share]
    pysyncobj = next(system for system in plan.systems if system.name == "pysyncobj")
    repeated = sum(len(plan.workloads_of(system)) for system in plan.systems) * plan.effort.repetitions

    assert plan.steps == repeated + len(closed) * len(pysyncobj.settings)


def test_the_short_form_leaves_out_only_what_takes_long():
    short, full = Choice(Form.SHORT), Choice(Form.FULL)

    assert [part.name for part, _ in short.plans()] == [part.name for part, _ in full.plans()]
    assert short.has(OUTAGES)
    assert short.has(ATTACKS)
    assert not short.has(ENDURANCE)
    assert full.has(ENDURANCE)
    assert 0 < short.steps < full.steps


def test_a_name_of_a_part_leaves_that_part():
    choice = Choice(Form.SHORT, ["links", OUTAGES])

    assert [part.name for part, _ in choice.plans()] == ["links"]
    assert choice.has(OUTAGES)
    assert not choice.has(ATTACKS)


def test_names_of_one_kind_leave_the_other_kind_whole():
    ((part, plan),) = Choice(Form.SHORT, ["etcd"]).plans()

    assert part is PEERS
    assert [system.name for system in plan.systems] == ["etcd"]
    assert list(plan.workloads) == PEERS.workloads_in(Form.SHORT)


def test_what_is_named_is_measured_also_in_the_short_form():
    ((_, plan),) = Choice(Form.SHORT, ["quorate-sync", "c256"]).plans()

    assert [system.name for system in plan.systems] == ["quorate-sync"]
    assert [workload.name for workload in plan.workloads] == ["c256"]


def test_names_that_are_in_no_part_together_choose_nothing():
    assert Choice(Form.SHORT, ["etcd", "i64"]).steps == 0


def test_seconds_shorten_warming_up_too():
    ((_, plan),) = Choice(Form.FULL, ["links"], repetitions=1, seconds=0.4).plans()

    assert (plan.effort.repetitions, plan.effort.seconds, plan.effort.warm_up) == (1, 0.4, 0.2)


def test_only_what_is_wanted():
    assert only(["b"], ["a", "b", "c"]) == ["b"]
    assert only(["x"], ["a", "b"]) == ["a", "b"]


def test_every_system_is_first_in_its_turn():
    assert [in_turn(["a", "b", "c"], repetition) for repetition in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert in_turn([], 1) == []

"""The runner, with systems that are made up; and the command line, without measuring."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from benchmarks.command import main
from benchmarks.measurement import Measured, MeasurementFailed, MissingPeer, Skipped
from benchmarks.plan import Effort, Load, Operations, Workload
from benchmarks.results import Results
from benchmarks.runner import Plan, Runner
from benchmarks.systems.system import Running, Setting
from click.testing import CliRunner

EFFORT = Effort(repetitions=2, seconds=1.0, warm_up=0.5, tuning_seconds=0.1)
FEW = Workload("few", "few", Load.CLIENT, 1)
MANY = Workload("many", "many", Load.CLIENT, 100)
ARRIVING = Workload("arriving", "arriving", Load.CLIENT, share=0.5, reference="many")
READS = Workload("reads", "reads", Load.CLIENT, 1, operations=Operations(is_read=True))


@dataclass
class MadeUpLoad:
    """Answers as fast as the setting says."""

    rates: dict[int, int]
    orders: list[object] = field(default_factory=list)

    def fill(self, operations):
        """Fill nothing."""
        self.orders.append(operations)

    def measure(self, order):
        """Measure nothing."""
        self.orders.append(order)
        rate = self.rates[order.outstanding]
        if rate == 0:
            raise MeasurementFailed("it broke")
        return Measured(
            operations=rate,
            seconds=1.0,
            latency={"p50": 1.0},
            processor_seconds={"client": 1.0},
            processor_seconds_in_all=1.0,
            processes=0,
            others_share=0.0,
            operations_in_all=2 * rate,
        )


@dataclass
class MadeUp:
    """A system of no processes."""

    name: str
    settings: tuple[Setting, ...]
    missing: str = ""
    loads: tuple[Load, ...] = (Load.CLIENT,)
    started: list[str] = field(default_factory=list)

    @property
    def title(self):
        """As the tables call it."""
        return self.name.title()

    def check(self):
        """Whether it is there."""
        if self.missing:
            raise MissingPeer(self.missing)

    def start(self, processes, setting, load):
        """Start nothing."""
        assert processes.folder.is_dir()
        assert load is Load.CLIENT
        self.started.append(setting.name)
        batches = iter(range(0, 1000, 10))
        self.load = MadeUpLoad(setting.options["rates"])
        return Running({}, self.load, batches=lambda: next(batches))


def setting(name: str, few: int, many: int) -> Setting:
    """One that reaches these throughputs."""
    return Setting(name, {"rates": {1: few, 100: many}})


def run(tmp_path: Path, *systems: MadeUp, workloads: tuple[Workload, ...] = (FEW, MANY)) -> tuple[Runner, list[str]]:
    """Carry out a plan, and collect the warnings."""
    warnings: list[str] = []
    plan = Plan(systems, workloads, EFFORT)
    runner = Runner(plan, tmp_path, lambda _what, behind: _check(behind, plan.steps), warnings.append)
    runner.run()
    assert not list(tmp_path.iterdir())
    return runner, warnings


def _check(behind: int, steps: int) -> None:
    assert 0 <= behind <= steps


def test_systems_are_measured_in_turn(tmp_path):
    runner, warnings = run(tmp_path, MadeUp("a", (setting("", 1, 2),)), MadeUp("b", (setting("", 3, 4),)))

    assert [(each.repetition, each.system, each.workload) for each in runner.measurements] == [
        *((0, "a", "few"), (0, "a", "many"), (0, "b", "few"), (0, "b", "many")),
        *((1, "b", "few"), (1, "b", "many"), (1, "a", "few"), (1, "a", "many")),
    ]
    assert {each.operations_in_batch for each in runner.measurements if each.workload == "many"} == {0.4, 0.8}
    assert not runner.trials
    assert not warnings


def test_each_workload_gets_the_setting_that_suits_it(tmp_path):
    system = MadeUp("a", (setting("lazy", 1, 9), setting("eager", 5, 5), setting("bad", 0, 7)))

    runner, _ = run(tmp_path, system)

    assert system.started == ["lazy", "eager", "bad", "lazy", "eager", "lazy", "eager"]
    chosen = {each.workload: (each.setting, each.measured.throughput) for each in runner.measurements}
    assert chosen == {"few": ("eager", 5.0), "many": ("lazy", 9.0)}
    assert len(runner.trials) == 4


def test_a_missing_peer_is_left_out_and_named(tmp_path):
    runner, warnings = run(
        tmp_path, MadeUp("a", (setting("", 1, 2),)), MadeUp("b", (setting("", 1, 1),), "install it so")
    )

    assert {each.system for each in runner.measurements} == {"a"}
    assert runner.skipped == [Skipped("b", "install it so")]
    assert warnings == ["not measured: B: install it so"]


def test_a_failure_ends_one_system_and_the_rest_goes_on(tmp_path):
    runner, warnings = run(tmp_path, MadeUp("a", (setting("", 1, 0),)), MadeUp("b", (setting("", 3, 4),)))

    assert [each.workload for each in runner.measurements if each.system == "a"] == ["few", "few"]
    assert len([each for each in runner.measurements if each.system == "b"]) == 4
    assert runner.skipped == [Skipped("a", "it broke", "many")]
    assert warnings == ["not measured: A, many: it broke"]


def test_an_open_loop_takes_its_share_of_the_throughput_and_the_setting_of_the_closed_one(tmp_path):
    system = MadeUp("a", (setting("lazy", 1, 9), setting("eager", 5, 8)))

    runner, warnings = run(tmp_path, system, workloads=(FEW, MANY, ARRIVING))

    assert not warnings
    assert {each.setting for each in runner.measurements if each.workload == "arriving"} == {"lazy"}
    assert "arriving" not in {each.workload for each in runner.trials}
    assert [each.rate for each in system.load.orders] == [0.0]  # the last start was for `few`, with the other setting


def test_the_rate_of_an_open_loop(tmp_path):
    system = MadeUp("a", (setting("", 1, 9),))

    run(tmp_path, system, workloads=(MANY, ARRIVING))

    assert [(each.outstanding, each.rate) for each in system.load.orders] == [(100, 0.0), (1, 4.5)]


def test_an_open_loop_without_its_reference_is_left_out(tmp_path):
    runner, warnings = run(tmp_path, MadeUp("a", (setting("", 1, 9),)), workloads=(ARRIVING,))

    assert not runner.measurements
    assert warnings == ["not measured: A, arriving: its throughput in many is not known: measure that too"]


def test_keys_are_filled_once_before_they_are_read_and_something_is_done_before_it_is_measured(tmp_path):
    system = MadeUp("a", (setting("", 3, 9),))

    runner, _ = run(tmp_path, system, workloads=(FEW, READS))

    written, filled, settling, measured = system.load.orders
    assert written.operations == FEW.operations
    assert filled == READS.operations
    assert settling.operations == measured.operations == READS.operations
    assert len(runner.measurements) == 4


def test_the_command_lists_names():
    answer = CliRunner().invoke(main, ["--list"])

    assert answer.exit_code == 0
    assert "pysyncobj-installed" in answer.output
    assert "redis-benchmark-P16" in answer.output


def test_the_command_refuses_unknown_names():
    answer = CliRunner().invoke(main, ["--only", "nothing"])

    assert answer.exit_code == 2
    assert "'nothing' is no part, system or workload" in answer.output


def test_the_command_refuses_names_that_are_in_no_part_together():
    answer = CliRunner().invoke(main, ["--only", "etcd", "--only", "i64"])

    assert answer.exit_code == 2
    assert "no part has all of etcd, i64" in answer.output


def test_the_command_refuses_a_file_in_no_folder_before_it_measures(tmp_path):
    answer = CliRunner().invoke(main, ["--json", str(tmp_path / "nowhere" / "results.json")])

    assert answer.exit_code == 2
    assert "there is no folder" in answer.output


def test_a_peer_that_is_not_installed_ends_in_exit_code_1(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    answer = CliRunner().invoke(
        main, ["--only", "etcd", "--directory", str(tmp_path), "--output", str(tmp_path / "page")]
    )

    assert answer.exit_code == 1
    assert "sudo apt-get install etcd-server" in answer.output


@pytest.mark.processes
def test_a_real_measurement_of_the_unreplicated_engine(tmp_path):
    answer = CliRunner().invoke(
        main,
        [
            *("--only", "unreplicated", "--only", "c64", "--repetitions", "1", "--seconds", "0.2"),
            *("--directory", str(tmp_path), "--json", str(tmp_path / "results.json")),
            *("--output", str(tmp_path / "page")),
        ],
    )

    assert answer.exit_code == 0, answer.output
    assert "same engine, unreplicated" in answer.output
    assert sorted(each.name for each in tmp_path.iterdir()) == ["page", "results.json"]
    first = (tmp_path / "page" / "PERFORMANCE.md").read_text()

    again = CliRunner().invoke(
        main, ["--from", str(tmp_path / "results.json"), "--output", str(tmp_path / "page again")]
    )

    assert again.exit_code == 0, again.output
    assert (tmp_path / "page again" / "PERFORMANCE.md").read_text() == first
    assert (tmp_path / "page" / "performance" / "throughput-latency.svg").read_text().startswith("<svg")


@pytest.mark.processes
def test_over_links_with_a_delay_no_answer_comes_sooner(tmp_path):
    answer = CliRunner().invoke(
        main,
        [
            *("--only", "far-unreplicated", "--only", "one", "--repetitions", "1", "--seconds", "0.2"),
            *("--directory", str(tmp_path), "--json", str(tmp_path / "results.json")),
            *("--output", str(tmp_path / "page")),
        ],
    )

    assert answer.exit_code == 0, answer.output
    results = msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results)
    assert results.comparisons[0].summaries[0].latency["p50"] >= 0.002  # a millisecond each way

"""`quorate sim --service`: a user's service in the same worlds, judged without a model of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quorate.cli.main import cli
from quorate.core.ports import Context
from quorate.services.counter import CounterService
from quorate.sim.checkers import Attempt
from quorate.sim.explore import Campaign, run_seed
from quorate.sim.samples import sampler_of
from quorate.sim.service_judge import ServiceJudge

CLIENT = b"c" * 32
SOUND = """
from quorate.services.counter import CounterService

class Sound(CounterService):
    def sample_operation(self, random):
        return b"add %d" % random.randint(1, 9)
"""
FAULTY = (
    SOUND
    + """
import itertools
INSTANCES = itertools.count()

class Different(Sound):
    def __init__(self):
        super().__init__()
        self.number = next(INSTANCES)
    def execute(self, operation, context):
        return super().execute(operation, context) + b" at instance %d" % self.number

class Forgets(Sound):
    '''Keeps what its answers depend on out of its checkpoints.'''
    def __init__(self):
        super().__init__()
        self.calls = 0
    def execute(self, operation, context):
        self.calls += 1
        return b"%d calls" % self.calls

class Raises(Sound):
    def execute(self, operation, context):
        raise ValueError("not today")

class Silent(CounterService):
    pass

class Wordy(CounterService):
    def sample_operation(self, random):
        return "add 1"
"""
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services_of_test.py").write_text(FAULTY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sim", *arguments])


@pytest.mark.parametrize("service", ["counter", "redis", "services_of_test:Sound"])
@pytest.mark.parametrize("profile", ["crashes", "everything"])
def test_a_sound_service_is_found_sound(service: str, profile: str) -> None:
    for seed in range(2):
        report = run_seed(seed, Campaign(profile, service=service))
        assert report.verdict is None
        assert report.outcome.completed > 0


@pytest.mark.parametrize(
    ("name", "rule", "seeds"),
    [("Different", "determinism", "0:1"), ("Forgets", "determinism", "0:20"), ("Raises", "service raises", "0:1")],
)
def test_a_faulty_service_is_caught_and_named(name: str, rule: str, seeds: str) -> None:
    result = sim("--service", f"services_of_test:{name}", "--seeds", seeds, "--profile", "crashes")
    assert result.exit_code == 1
    assert f"broke the rule '{rule}': service services_of_test:{name}: at " in result.output
    assert f"--service services_of_test:{name} --trace" in result.output


def test_its_failing_plan_is_shrunk_and_replayed() -> None:
    name = "services_of_test:Raises"
    assert sim("--service", name, "--seed", "1", "--profile", "calm", "--shrink", "small.json").exit_code == 1
    document = json.loads(sim("--replay", "small.json", "--json").output)
    assert document["plan"]["service"] == name
    assert document["outcome"]["verdicts"][0][0] == "service raises"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("postgres", "no service 'postgres'; known are counter, redis and your own, as module:Class"),
        ("no_such_module_of_ours:Mine", "No module named 'no_such_module_of_ours'"),
        ("services_of_test:Mine", "has no attribute 'Mine'"),
        ("services_of_test:Silent", "give it a method sample_operation(self, random)"),
        ("services_of_test:Wordy", "sample_operation returned str; an operation is bytes"),
    ],
)
@pytest.mark.parametrize("command", ["sim", "campaign"])
def test_what_cannot_be_run_is_refused_with_the_remedy(command: str, name: str, hint: str) -> None:
    result = CliRunner().invoke(cli, [command, "--service", name])
    assert result.exit_code == 2
    assert hint in result.output


@pytest.mark.parametrize("name", ["counter", "redis"])
def test_samples_of_the_services_that_are_here_are_operations(name: str) -> None:
    from random import Random

    random = Random(1)
    assert len({sampler_of(name)(random) for _ in range(200)}) > 5


# The judge, rule by rule


@pytest.fixture
def judge() -> ServiceJudge:
    return ServiceJudge("counter", CounterService, {0, 1, 2}, {CLIENT}, 1)


def ask(judge: ServiceJudge, number: int, operation: bytes, result: bytes, asked: int, answered: int) -> None:
    """A request that is asked, executed at a number by replica 0, and answered with *result*."""
    attempt = Attempt("a", CLIENT, asked, (operation,), (7, asked))
    judge.see_asked(attempt)
    execute(judge, 0, number, operation, result)
    judge.hear(0, "executed", {"sequence_number": number, "digest": bytes(32), "requests": [(CLIENT, 7, asked, 0)]})
    judge.see_completed(attempt, (result,), answered)


def execute(judge: ServiceJudge, replica: int, number: int, operation: bytes, result: bytes) -> None:
    judge.see_execution(replica, 0, operation, Context(CLIENT, 10 * number, bytes(32), number), result)


def rules(judge: ServiceJudge) -> list[str]:
    return [verdict.rule for verdict in judge.verdicts]


def test_a_right_history_is_right(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"1", 10, 20)
    ask(judge, 2, b"add 1", b"2", 30, 40)
    judge.check_histories()
    assert rules(judge) == []


def test_replicas_that_answer_differently(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"1", 10, 20)
    execute(judge, 1, 1, b"add 1", b"2")
    assert rules(judge) == ["determinism"]
    assert "service counter" in judge.verdicts[0].text


def test_replicas_that_execute_different_operations(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"1", 10, 20)
    execute(judge, 1, 1, b"add 2", b"1")
    assert rules(judge) == ["equal executions"]


def test_a_run_alone_has_to_give_the_same(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"5", 10, 20)
    judge.check_histories()
    assert rules(judge) == ["determinism"]


def test_an_operation_is_executed_as_often_as_it_was_asked(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"1", 10, 20)
    execute(judge, 0, 2, b"add 1", b"2")
    assert rules(judge) == ["exactly once"]


def test_a_client_gets_what_was_executed(judge: ServiceJudge) -> None:
    ask(judge, 1, b"add 1", b"1", 10, 20)
    judge.see_completed(Attempt("a", CLIENT, 10, (b"add 1",), (7, 10)), (b"9",), 20)
    judge.check_histories()
    assert rules(judge) == ["reply of the agreed order"]


def test_the_order_respects_real_time(judge: ServiceJudge) -> None:
    ask(judge, 2, b"get", b"0", 10, 20)
    ask(judge, 1, b"get", b"0", 30, 40)
    judge.verdicts.clear()  # that replica 0 went back is not the matter here
    judge.check_histories()
    assert rules(judge) == ["linearizability"]


def test_checkpoints_are_equal_or_the_service_is_named(judge: ServiceJudge) -> None:
    judge.hear(0, "checkpoint", {"sequence_number": 8, "digest": bytes(32)})
    judge.hear(1, "checkpoint", {"sequence_number": 8, "digest": CLIENT})
    assert rules(judge) == ["equal checkpoints"]
    assert "service counter" in judge.verdicts[0].text


def test_the_example_of_the_documentation_is_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "SIMULATOR.md").read_text()
    (tmp_path / "stock.py").write_text(page.split("```python\n")[1].split("```")[0])
    result = sim("--service", "stock:Stock", "--seeds", "0:4")
    assert result.exit_code == 0, result.output

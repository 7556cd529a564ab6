"""`quorate campaign`, as a user or a script calls it: on a real local cluster and with a crew of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from campaign.crews import AtOnce, all_well, assembled, failing, one_a_time
from quorate.campaign import crew as crew_module
from quorate.campaign.chunk import Chunk, run_chunk
from quorate.campaign.crew import assemble
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.summary import Summary
from quorate.cli import campaign as command_module
from quorate.cli.main import cli

Work = Callable[[Chunk], Summary]


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Calls the command with a crew that runs what the test says, and its results in a folder of the test."""

    def call(*arguments: str, work: Work = all_well) -> Result:
        monkeypatch.setattr(command_module, "assemble", lambda scheduler, jobs: assembled(AtOnce(work)))
        return CliRunner().invoke(cli, ["campaign", "--output", str(tmp_path / "out"), *arguments])

    return call


def test_a_clean_campaign_ends_with_0_and_a_report(campaign: Callable[..., Result], tmp_path: Path) -> None:
    result = campaign("--seeds", "0:20")
    assert result.exit_code == 0, result.output
    assert "20 seeds, 0 failed" in result.output
    assert "20 seeds, no rule broken" in (tmp_path / "out" / "report.html").read_text()


def test_failures_are_printed_as_they_come_and_end_with_1(campaign: Callable[..., Result]) -> None:
    result = campaign("--seeds", "0:20", work=failing(3, 11))
    assert result.exit_code == 1
    assert "seed 11, profile calm, 4 replicas broke the rule 'agreement': replica 1" in result.output
    assert "  run it again: quorate sim --seed 3 --profile calm --replicas 4 --trace\n" in result.output


def test_what_failed_before_still_counts(campaign: Callable[..., Result]) -> None:
    assert campaign("--seeds", "0:20", work=failing(3)).exit_code == 1
    result = campaign("--seeds", "0:30")
    assert result.exit_code == 1
    assert "20 of 30 seeds are done" in result.output
    assert "30 seeds, 1 failed" in result.output


def test_no_seed_is_run_twice(campaign: Callable[..., Result], tmp_path: Path) -> None:
    """Neither in the same folder nor with --resume."""
    campaign("--seeds", "0:8", work=one_a_time)
    campaign("--seeds", "4:12", work=one_a_time)
    campaign("--seeds", "0:20", "--resume", str(tmp_path / "out" / "results.jsonl"), work=one_a_time)
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert sorted(line["seeds"] for line in lines) == [[at, at + 1] for at in range(20)]


def test_other_sources_are_not_mixed_unless_told(campaign: Callable[..., Result], tmp_path: Path) -> None:
    def old(chunk: Chunk) -> Summary:
        summary = all_well(chunk)
        summary.version = "0.0.9"
        return summary

    campaign("--seeds", "0:8", work=old)
    file = tmp_path / "out" / "results.jsonl"
    sources = json.loads(file.read_text().splitlines()[0])["sources"]
    file.write_text(file.read_text().replace(sources, "0123456789abcdef"))
    refused = campaign("--seeds", "0:8")
    assert refused.exit_code == 2
    assert "holds results of other sources (0.0.9): add --mix" in refused.output
    assert campaign("--seeds", "0:8", "--mix").exit_code == 0
    assert len({json.loads(line)["sources"] for line in file.read_text().splitlines()}) == 2


def test_json_is_one_document(campaign: Callable[..., Result]) -> None:
    document = json.loads(campaign("--seeds", "0:20", "--json", work=failing(3)).output)
    assert document["total"]["seeds"] == 20
    assert [failure["seed"] for failure in document["failures"]] == [3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "5"), "expected A:B"),
        (("--seeds", "5:5"), "no seed between"),
        (("--seeds", "-1:5"), "expected A:B"),
        (("--replicas", "4,x"), "expected numbers"),
        (("--replicas", "3"), "4 to 31"),
        (("--profile", "gloomy"), "no such profile"),
        (("--strategies", "nice"), "no such strategy"),
        (("--seconds", "0"), "seconds"),
        (("--jobs", "0"), "jobs"),
        (("--jobs", "2", "--scheduler", "tcp://x:1"), "--jobs is for this machine"),
    ],
)
def test_bad_input_ends_with_2(campaign: Callable[..., Result], arguments: tuple[str, ...], message: str) -> None:
    result = campaign(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_an_address_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    arguments = ["campaign", "--output", str(tmp_path), "--scheduler", "nonsense://x"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "no Dask scheduler answers there" in result.output


def test_a_scheduler_needs_dask_and_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "has_dask", lambda: False)
    result = CliRunner().invoke(cli, ["campaign", "--output", str(tmp_path), "--scheduler", "tcp://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "pip install 'quorate[campaign]'" in result.output


@pytest.mark.processes
def test_without_dask_there_are_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "has_dask", lambda: False)
    chunk = Chunk(Selection("calm", (4,)), Seeds(0, 1), 1.0)
    with assemble(None, 1) as crew:
        assert crew.size() == 1
        future = crew.executor.submit(run_chunk, msgspec.json.encode(chunk))
        assert b'"seeds":[0,1]' in future.result(60)


def of_session(session: int) -> list[str]:
    """The processes of a session, but for those that are only waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session, *_ = path.read_text().rpartition(") ")[2].split()
        except (OSError, ValueError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.processes
def test_ctrl_c_keeps_what_was_run_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A real local cluster. Ctrl-C goes to all processes of the terminal, as it does in one."""
    command = [sys.executable, "-m", "quorate", "campaign", "--profile", "calm", "--replicas", "4", "--jobs", "2"]
    command += ["--seeds", "0:64", "--output", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while not (tmp_path / "results.jsonl").stat().st_size:
            time.sleep(0.05)
        assert "64 seeds on 2 processes of a local Dask cluster" in lines[0]
        os.killpg(process.pid, signal.SIGINT)
        lines += process.stdout.readlines()
        output = "".join(lines)
        assert process.wait(60) == 0, output
    finally:
        process.kill()
        process.communicate()
    assert "the same command goes on with them" in output
    assert "Traceback" not in output
    runs = [json.loads(line)["seeds"] for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    deadline = time.monotonic() + 10
    while of_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert of_session(process.pid) == []
    assert "0 failed" in output
    assert all(end > first for first, end in runs)

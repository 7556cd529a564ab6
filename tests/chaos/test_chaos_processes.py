"""`quorate chaos` on real processes: a short run, with partitions where the machine allows them, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.lab import namespaces

SECONDS = 12
PATIENCE = 400.0
"""The machine may be busy; a run that is well takes a tenth of this."""
STEP = re.compile(r" *[\d.]+  \d+: ")
"""A line of standard error that is about a step."""


def chaos(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "quorate", "chaos", *arguments]


def processes_in(folder: Path) -> list[str]:
    """Processes whose command names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command and path.parent.name != str(os.getpid()):
            found.append(command)
    return found


@pytest.mark.processes
@pytest.mark.slow
def test_a_short_run(tmp_path: Path) -> None:
    output = tmp_path / "run"
    arguments = chaos("--seconds", str(SECONDS), "--seed", "1", "--json", "--output", str(output))
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    verdict = json.loads(run.stdout)
    assert verdict["problems"] == []
    assert sum(verdict["faults"].values()) > 0
    assert verdict["operations"] > 0
    reason = namespaces.why_not()
    assert bool(reason) == bool(verdict["why_skipped"])
    assert reason is None or "no partitions" in run.stderr
    assert json.loads((output / "verdict.json").read_text()) == verdict
    assert len((output / "history.jsonl").read_text().splitlines()) >= verdict["operations"]
    assert processes_in(output) == []


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    run = subprocess.Popen(chaos("--seconds", "300", "--seed", "1"), stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert run.stderr is not None
        first = next(line for line in run.stderr if STEP.match(line))  # a fault has begun: all processes are there
        assert processes_in(tmp_path), first
        run.send_signal(number)
        _, errors = run.communicate(timeout=PATIENCE)
    finally:
        run.kill()
        run.wait()

    assert run.returncode == 1, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []


def test_a_plan_is_printed_and_the_same_again() -> None:
    first, second = (
        subprocess.run(chaos("--plan", "--seed", "7", "--replicas", "7"), capture_output=True, text=True, check=True)
        for _ in range(2)
    )

    assert first.stdout == second.stdout
    assert first.stdout.startswith("seed 7, 7 replicas")
    assert "kill-all for" in first.stdout


@pytest.mark.parametrize("arguments", [("--replicas", "3"), ("--seconds", "0"), ("--seed", "-1")])
def test_nonsense_is_refused(arguments: tuple[str, ...]) -> None:
    assert subprocess.run(chaos("--plan", *arguments), capture_output=True, check=False).returncode == 2


def test_a_folder_that_exists_is_not_touched(tmp_path: Path) -> None:
    run = subprocess.run(chaos("--output", str(tmp_path)), capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert "exists" in run.stderr
    assert list(tmp_path.iterdir()) == []

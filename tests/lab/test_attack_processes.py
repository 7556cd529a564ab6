"""Attacks on real processes. What is timed is reported, never asserted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate.lab.catalogue import NAMESPACES_SUFFIX, find_attack
from quorate.lab.control import tell
from quorate.lab.namespaces import why_not
from quorate.lab.paths import SHAPES
from quorate.runtime.lifetime import is_running

pytestmark = pytest.mark.processes


def judged(completed: Any) -> Any:
    """The JSON document of an attack in which nothing was broken."""
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return json.loads(completed.stdout)


def assert_good(verdict: dict[str, Any]) -> None:
    assert verdict["safe"], verdict
    assert verdict["linearizable"], verdict
    assert verdict["available"], verdict
    assert verdict["operations_per_second_before"] > 0
    assert verdict["unknown_outcomes"] == 0


def test_a_running_laboratory_is_attacked_again_and_again(running: Any, quorate: Any) -> None:
    directory = str(running.directory)

    verdict = judged(quorate("attack", "wrong-replies", directory, "--replica", "3", "--seconds", "1", "--json"))
    assert_good(verdict)
    assert verdict["replicas"] == [3]
    assert "stays counted as faulty" in verdict["remarks"][0]

    other = quorate("attack", "equivocate", directory, "--replica", "0", "--seconds", "1")
    assert other.returncode == 2
    assert "already faulty: 3" in other.stderr
    assert "--fresh" in other.stderr

    both = quorate("attack", "mute", directory, "--replica", "2", "--replica", "3")
    assert both.returncode == 2
    assert "at most f = 1" in both.stderr

    shown = quorate("attack", "garbage", directory, "--seconds", "1")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "safety:        holds" in shown.stdout
    assert "from client lab-liar" in shown.stdout


def test_the_attack_itself_is_seen(running: Any, quorate: Any) -> None:
    """A replica that is known as faulty may be attacked with again; what it does shows in what the others noticed."""
    arguments = ("--replica", "3", "--seconds", "1", "--json")

    verdict = judged(quorate("attack", "impossible-view-change", str(running.directory), *arguments))

    assert_good(verdict)
    assert verdict["views"] >= 1
    assert any("replica 3" in what or what.startswith("view left") for what in verdict["noticed"])


def test_status_tells_what_was_done_to_a_laboratory(running: Any, quorate: Any) -> None:
    directory = str(running.directory)
    assert quorate("attack", "wrong-replies", directory, "--replica", "3", "--seconds", "0.1").returncode == 0

    shown = quorate("status", directory)
    [first, *_, last] = json.loads(quorate("status", directory, "--json").stdout)["laboratory"]

    assert "\na laboratory\n" in shown.stdout
    assert "replica 3 was a traitor" in shown.stdout
    assert (first["has_lied"], last["has_lied"], last["lies"]) == (False, True, [])
    assert json.loads(quorate("status", str(running.directory / "client"), "--json").stdout)["laboratory"] is None


def test_a_part_of_the_matrix(quorate: Any) -> None:
    names = ["equivocate", "kill", "one-way-deaf", "halves"]

    verdicts = judged(quorate("attack", "--all", *names, "--seconds", "1", "--json"))

    assert [verdict["attack"] for verdict in verdicts] == names
    for verdict in verdicts:
        assert_good(verdict)
    assert "is dead" in verdicts[1]["remarks"][0]


@pytest.mark.parametrize("shape", SHAPES)
def test_links_are_cut_between_namespaces(shape: str, quorate: Any) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no network namespaces here: {reason}")

    [verdict] = judged(quorate("attack", "--all", shape + NAMESPACES_SUFFIX, "--seconds", "1.5", "--json"))

    assert_good(verdict)
    assert not verdict["skipped"]
    if shape == "cut-backup":
        assert verdict["views"] == 0
    else:  # the cut was felt: nobody saw the primary, or no quorum saw each other
        assert verdict["noticed"]


def test_where_there_can_be_no_namespaces_the_reason_is_shown(tmp_path: Path, quorate: Any) -> None:
    """Without `ip` and `unshare` on the path."""
    arguments = ("attack", "--all", "cut-namespaces", "star-namespaces")

    shown = quorate(*arguments, PATH=str(tmp_path))
    told = quorate(*arguments, "--json", PATH=str(tmp_path))

    assert (shown.returncode, told.returncode) == (4, 4)
    assert "skipped: not installed: unshare (of util-linux), mount (of mount), ip (of iproute2)" in shown.stdout
    assert "attacks run: 0; broke something: 0; without a verdict: 0; skipped: 2" in shown.stdout
    assert all(verdict["skipped"] for verdict in json.loads(told.stdout))


@pytest.mark.parametrize("name", ["cut", "cut-namespaces"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_when_it_is_stopped(name: str, number: signal.Signals, tmp_path: Path) -> None:
    if find_attack(name).in_namespaces and why_not() is not None:
        pytest.skip(f"no network namespaces here: {why_not()}")
    command = [sys.executable, "-m", "quorate", "attack", "--all", name, "--seconds", "60"]
    attack = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(processes_with(f"{tmp_path}/quorate-attack-")) == 4)
        attack.send_signal(number)
        assert attack.wait(60) == (-number if number == signal.SIGKILL else 1)
    finally:
        attack.kill()
        attack.wait()

    wait_until(lambda: processes_with(f"{tmp_path}/quorate-attack-") == [])
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pause", "mute", "cut"])
def test_nothing_stays_done_when_it_is_stopped(name: str, running: Any) -> None:
    replica = running.directory / "replica-3"
    [pid] = [line.rpartition(" ")[2].strip() for line in running.lines if line.startswith("replica 3 is up")]

    def is_stopped() -> bool:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def is_hindered() -> bool:
        told = None if is_stopped() else asyncio.run(tell(replica))
        return told is None or bool(told.lies or told.deaf_to)

    arguments = ["attack", name, str(running.directory), "--replica", "3", "--seconds", "120"]
    attack = subprocess.Popen([sys.executable, "-m", "quorate", *arguments], stderr=subprocess.DEVNULL)
    try:
        assert not is_hindered()
        wait_until(is_hindered)
        attack.terminate()
        assert attack.wait(60) == 1
    finally:
        attack.kill()
        attack.wait()

    wait_until(lambda: not is_hindered())


def processes_with(word: str) -> list[str]:
    """The command lines of running processes that hold this word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if word in line else []
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait as long as a slow machine may take."""
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to hold")


def test_a_cluster_that_is_no_laboratory(tmp_path: Path, quorate: Any) -> None:
    assert quorate("init", str(tmp_path / "cluster")).returncode == 0

    completed = quorate("attack", "mute", str(tmp_path / "cluster"))

    assert completed.returncode == 2
    assert "quorate up --lab" in completed.stderr


def test_a_laboratory_that_does_not_run(cluster: Any, quorate: Any) -> None:
    completed = quorate("attack", "mute", str(cluster.path))

    assert completed.returncode == 2
    assert "quorate up --lab --dir" in completed.stderr


def test_an_ordinary_replica_of_a_laboratory_cannot_be_turned(cluster: Any, quorate: Any) -> None:
    """`quorate replica` runs the rules alone: there is no socket, and nothing that could be told to lie."""
    replica = subprocess.Popen(
        [sys.executable, "-m", "quorate", "replica", str(cluster.replica(0))],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_running(cluster.replica(0)))
        completed = quorate("attack", "mute", str(cluster.path), "--replica", "0")
    finally:
        replica.terminate()
        replica.wait(30)

    assert completed.returncode == 2
    assert "runs as a laboratory's" in completed.stderr


def test_a_replica_of_another_cluster_cannot_be_started_as_a_laboratorys(tmp_path: Path, quorate: Any) -> None:
    assert quorate("init", str(tmp_path / "cluster")).returncode == 0

    completed = quorate("lab-replica", str(tmp_path / "cluster" / "replica-0"))

    assert completed.returncode == 2
    assert "is of no laboratory" in completed.stderr


def test_a_cluster_of_others_does_not_become_a_laboratory(tmp_path: Path, quorate: Any) -> None:
    assert quorate("init", str(tmp_path / "cluster"), "--service", "counter").returncode == 0

    completed = quorate("up", "--lab", "--dir", str(tmp_path / "cluster"))

    assert completed.returncode == 2
    assert "was not made as a laboratory" in completed.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--list"),
        (("nonsense",), "no attack 'nonsense'"),
        (("cut-namespaces", "somewhere"), "--all cut-namespaces"),
        (("mute", "nowhere"), "quorate up --lab --dir nowhere"),
        (("mute", "--seconds", "nan"), "is not a number of seconds"),
        (("mute", "--markdown"), "--markdown"),
        (("--all", "--replica", "1"), "leave out --replica"),
        (("--all", "mute", "."), "leave out ."),
    ],
)
def test_mistakes_of_use(arguments: tuple[str, ...], said: str, quorate: Any) -> None:
    completed = quorate("attack", *arguments)

    assert completed.returncode == 2
    assert said in completed.stderr


def test_the_list_says_what_to_expect(quorate: Any) -> None:
    shown = quorate("attack", "--list")
    listed = judged(quorate("attack", "--list", "--json"))

    assert "equivocate (replica, P2): a primary that gives one sequence number to two batches" in shown.stdout
    assert all(entry["expect"] for entry in listed)

"""Attacks on real processes. What is timed is reported, never asserted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.processes


def judged(completed: Any) -> Any:
    """The JSON document of an attack in which nothing was broken."""
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return json.loads(completed.stdout)


def assert_good(verdict: dict[str, Any]) -> None:
    assert verdict["safe"], verdict
    assert verdict["linearizable"], verdict
    assert verdict["available"], verdict
    assert verdict["operations"] > 0
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


def test_a_part_of_the_matrix(quorate: Any) -> None:
    names = ["equivocate", "kill", "one-way", "cut-links-namespaces"]

    verdicts = judged(quorate("attack", "--all", *names, "--seconds", "1", "--json"))

    assert [verdict["attack"] for verdict in verdicts] == names
    for verdict in verdicts:
        if not verdict["skipped"]:
            assert_good(verdict)
    assert all(verdict["attack"].endswith("-namespaces") for verdict in verdicts if verdict["skipped"])
    assert "is dead" in verdicts[1]["remarks"][0]


def test_a_cluster_that_is_no_laboratory(tmp_path: Path, quorate: Any) -> None:
    assert quorate("init", str(tmp_path / "cluster")).returncode == 0

    completed = quorate("attack", "mute", str(tmp_path / "cluster"))

    assert completed.returncode == 2
    assert "quorate up --lab" in completed.stderr


def test_a_laboratory_that_does_not_run(cluster: Any, quorate: Any) -> None:
    completed = quorate("attack", "mute", str(cluster.path))

    assert completed.returncode == 2
    assert "quorate up --lab --dir" in completed.stderr


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
        (("cut-links-namespaces", "somewhere"), "--all cut-links-namespaces"),
        (("--all", "--replica", "1"), "leave out --replica"),
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

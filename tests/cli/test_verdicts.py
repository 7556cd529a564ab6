"""What is printed of verdicts: what broke, what failed and what was skipped cannot be overlooked."""

from __future__ import annotations

import pytest

from quorate.cli.verdicts import print_matrix, print_matrix_as_markdown, print_one, summary
from quorate.lab.verdict import Verdict

GOOD = Verdict(
    attack="mute",
    kind="replica",
    row="B1",
    replicas=(2,),
    operations_per_second=120.4,
    recovery_seconds=0.0,
    noticed={"view left: joined": 3, "malformed from replica 2": 1},
)
BROKEN = Verdict(attack="kill", kind="perturbation", row="P1", replicas=(0,), available=False, problems=("nobody",))
SKIPPED = Verdict(attack="cut-namespaces", kind="perturbation", row="N4", skipped="not permitted")
FAILED = Verdict(attack="flood", kind="client", row="C7", failed="no cluster")


def test_a_table_in_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix_as_markdown([GOOD, BROKEN, SKIPPED, FAILED])

    head, line, good, broken, skipped, failed, _, total = capsys.readouterr().out.splitlines()
    assert head.startswith("| attack | row | by | safety | linearizable | served after | op/s |")
    assert line.count("---") == head.count("|") - 1
    assert (
        good == "| mute | B1 | 2 | holds | yes | yes | 120 | 0 | 0.00 | 0.00 | 0 | view left: joined (3); 1 more kind |"
    )
    assert broken == "| kill | P1 | 0 | holds | yes | NO | 0 | 0 | 0.00 | never | 0 | - |"
    assert skipped.endswith("| - | skipped: not permitted |")
    assert failed.endswith("| - | failed: no cluster |")
    assert total == "attacks run: 3; broke something: 1; without a verdict: 1; skipped: 1"


def test_a_table_for_people_tells_the_problems(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix([GOOD, BROKEN])

    assert "kill: nobody" in capsys.readouterr().out


def test_one_verdict_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    print_one(BROKEN)
    said = capsys.readouterr().out
    assert "served after:  NO" in said
    assert "recovered:     never\n" in said
    assert said.endswith("nobody\n")

    print_one(GOOD)
    said = capsys.readouterr().out
    assert "noticed:       view left: joined (3)" in said
    assert "no gap was long" in said


def test_a_line_for_each() -> None:
    assert [summary(verdict) for verdict in (GOOD, BROKEN, SKIPPED, FAILED)] == [
        "nothing was broken",
        "BROKEN\nnobody",
        "skipped: not permitted",
        "failed: no cluster",
    ]

"""`docs/ADVERSARY.md` is true: every row of the catalogue has its place, and every strategy stands at its rows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from quorate.adversary.registry import CLIENT_STRATEGIES, PROCESSES, STRATEGIES
from quorate.sim import plan
from quorate.sim.profiles import PROFILES

DOCS = Path(__file__).parents[2] / "docs"
STRATEGIES_OF_ALL: dict[str, object] = {**STRATEGIES, **PROCESSES, **CLIENT_STRATEGIES}


def table(text: str) -> dict[str, list[str]]:
    """The cells of every line that begins with a row's name."""
    lines = re.findall(r"^\| ([PBCN]\d+) \|(.*)\|$", text, re.M)
    assert len({row for row, _ in lines}) == len(lines), "a row stands twice"
    return {row: [cell.strip() for cell in cells.split("|")] for row, cells in lines}


CATALOGUE = table((DOCS / "FACTS.md").read_text().partition("\n## 7.")[2])
PAGE = table((DOCS / "ADVERSARY.md").read_text())


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_row_of_the_catalogue_stands_on_the_page() -> None:
    assert set(PAGE) == set(CATALOGUE)
    assert {"P1", "P19", "B22", "C11", "N9"} <= set(PAGE)


@pytest.mark.parametrize("row", [row for row in PAGE if row[0] in "PBC"])
def test_a_row_names_strategies_or_says_why_there_is_none(row: str) -> None:
    strategies, outcome = PAGE[row]
    if strategies.startswith("none: "):
        assert outcome == ""
        assert len(strategies) > len("none: there is no")
    else:
        assert named(strategies) <= set(STRATEGIES_OF_ALL), row
        assert named(strategies)
        assert outcome


@pytest.mark.parametrize("name", STRATEGIES_OF_ALL)
def test_a_strategy_stands_at_the_rows_that_it_names(name: str) -> None:
    strategy = STRATEGIES_OF_ALL[name]
    head = (sys.modules[strategy.__module__].__doc__ or "").partition(":")[0]
    rows = re.findall(r"[PBC]\d+", head)
    assert {row for row, cells in PAGE.items() if row[0] != "N" and name in named(cells[0])} == set(rows)
    assert getattr(strategy, "row", rows[0]) in rows


@pytest.mark.parametrize("row", [row for row in PAGE if row[0] == "N"])
def test_a_row_of_the_network_names_profiles_and_faults(row: str) -> None:
    profiles, faults, outcome = PAGE[row]
    assert named(profiles) <= set(PROFILES)
    assert named(profiles) or profiles.startswith("none: ")
    assert all(getattr(plan, fault) in plan.Fault.__args__ for fault in named(faults))
    assert outcome


def test_profiles_have_the_faults_of_their_rows() -> None:
    """A profile that stands at a row draws one of the row's faults."""
    kinds = {"Cut": "cut", "Crash": "crash", "Pause": "pause", "ClockJump": "clock jump"}
    for row, (profiles, faults, *_) in ((row, cells) for row, cells in PAGE.items() if row[0] == "N"):
        wanted = {kinds[fault] for fault in named(faults)}
        for profile in named(profiles):
            assert wanted <= set(PROFILES[profile].faults), f"{row}: {profile}"


def test_files_named_on_the_page_are_there() -> None:
    text = (DOCS / "ADVERSARY.md").read_text()
    paths = set(re.findall(r"`((?:tests|src)/[\w/.]+)`", text))
    assert paths
    assert all((DOCS.parent / path).exists() for path in paths)

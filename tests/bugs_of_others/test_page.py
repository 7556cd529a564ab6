"""`docs/BUGS-OF-OTHERS.md` is true: its commands run something, and every scenario and correction has a row."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = (FOLDER.parents[1] / "docs" / "BUGS-OF-OTHERS.md").read_text()
TESTS = re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in sorted(FOLDER.glob("test_*.py"))), re.M)


def test_every_command_of_the_page_runs_something() -> None:
    """A `-k` of a row selects a test of this folder."""
    selectors = re.findall(r"\| `-k (\w+)` \|", PAGE)
    assert len(selectors) == 18 + 14 + 8 + 8
    assert [selector for selector in selectors if not any(selector in test for test in TESTS)] == []


def test_every_scenario_correction_and_condition_has_a_test_of_its_name() -> None:
    """None is left out, on the page or here."""
    names = [f"scenario_{number}_" for number in range(1, 19)] + [f"correction_{number}_" for number in range(1, 15)]
    for name in [*names, *(f"n{number}_" for number in range(1, 9))]:
        assert f"`-k {name}`" in PAGE, name
        assert any(name in test for test in TESTS), name

"""docs/BUGS-FOUND.md names tests, inputs and documents that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "BUGS-FOUND.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what ")]
SOURCES = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))
DEFINED = set(re.findall(r"^ *(?:async )?def (test_\w+)", SOURCES, re.M))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_every_bug_has_a_test_or_an_input_that_is_there(row: str) -> None:
    """The last column names them; what is not mended has no more than three columns."""
    *_, last = row.strip("| ").split(" | ")
    names = re.findall(r"`([^`]+)`", last)
    assert names or row in PAGE.partition("## Known and not mended")[2]
    for name in names:
        assert name in DEFINED or (ROOT / name).is_file(), name


def test_every_document_that_is_pointed_at_is_there() -> None:
    """And the page is long enough to be the one that is meant."""
    assert len(ROWS) > 20
    for target in re.findall(r"\]\(([\w.-]+)\)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target

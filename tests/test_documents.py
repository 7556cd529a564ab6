"""Pages point at pages that are there, and README.md at all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert lost == []


def test_every_page_can_be_reached_from_the_first() -> None:
    linked = set(LINK.findall(PAGES[0].read_text()))
    assert {f"docs/{page.name}" for page in PAGES[1:]} - linked == set()

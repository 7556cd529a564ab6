"""Writes docs/PERFORMANCE.md, or a page like it elsewhere, and its pictures.

What stands on the page outside of the two marks is written by people, and stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.plots import CAPTIONS, plots
from benchmarks.results import Results

PAGE: Final = "PERFORMANCE.md"
PICTURES: Final = "performance"
BEGIN: Final = "<!-- measured: begin; written by `make bench`, change nothing by hand -->"
END: Final = "<!-- measured: end -->"
_NEW_PAGE: Final = f"# Performance\n\n{BEGIN}\n{END}\n"


def write(results: Results, folder: Path) -> Path:
    """Write the page's measured part and its pictures into a folder; the page."""
    pictures = plots(results)
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for old in CAPTIONS.keys() - pictures.keys():
        (folder / PICTURES / old).unlink(missing_ok=True)
    for name, picture in pictures.items():
        (folder / PICTURES / name).write_text(picture, encoding="utf-8")
    page = folder / PAGE
    before = page.read_text(encoding="utf-8") if page.exists() else _NEW_PAGE
    page.write_text(merged(before, measured_part(results, list(pictures))), encoding="utf-8")
    return page


def measured_part(results: Results, pictures: list[str]) -> str:
    """What a run has to say, in Markdown: the figures to reach, the pictures, the tables."""
    shown = "\n\n".join(f"![{CAPTIONS[name]}]({PICTURES}/{name})" for name in pictures)
    return "\n\n".join(part for part in (report.figures_markdown(results), shown, report.markdown(results)) if part)


def merged(page: str, measured: str) -> str:
    """The page with another measured part. Without marks it comes to the end."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        before, after = page.rstrip("\n") + "\n\n", "\n"
    return f"{before}{BEGIN}\n\n{measured.strip()}\n\n{END}{after}"

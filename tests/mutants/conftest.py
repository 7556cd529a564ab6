"""`pytest tests/mutants --rewrite` writes the table of killing seeds again."""

from __future__ import annotations

import contextlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option may be there already, when other folders that have it are named too."""
    with contextlib.suppress(ValueError):
        parser.addoption("--rewrite", action="store_true", help="write the expected output anew")

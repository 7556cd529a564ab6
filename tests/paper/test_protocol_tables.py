"""docs/PROTOCOL.md agrees with the source: every message, every rule id, every function and test that it names."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from quorate.auth.authenticator import Scheme, policy_of
from quorate.config import ClusterConfiguration, Member
from quorate.core.context import Status
from quorate.core.replica import DISPATCH
from quorate.messages.protocol import Message

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "PROTOCOL.md").read_text()
ID = re.compile(
    r"\b(?:ACCESS|BACKUP|COM|CP|DEC|DIG|DISK|EPOCH|EXEC|FETCH|FRAME|GC|INV|KEY|NV|PP|PREP|REC|REQ|RO|SEP|SESS|ST|STAT|TENT"
    r"|TIME|TIMER|VC|VOTE)-(?:\d+|A|B)\b"
)
KINDS = {kind.__name__: kind for kind in get_args(Message)}
NOT_FOR_REPLICAS = {"Reply", "ReadReply", "Inspect", "Inspection", "BackupPieces"}


def rows(columns: int) -> list[list[str]]:
    """The rows of the page's tables that have so many columns, without their heads."""
    cells = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")] for line in PAGE.splitlines() if line[:1] == "|"
    ]
    return [
        row for row in cells if len(row) == columns and row[0] not in ("id", "message") and not row[0].startswith("-")
    ]


MESSAGES = rows(7)
RULES = rows(5)


def test_every_message_stands_in_the_table_once() -> None:
    """A message that is added is described."""
    assert sorted(row[1].strip("`") for row in MESSAGES) == sorted(KINDS)


def test_every_message_is_dispatched_or_not_for_replicas() -> None:
    """An absent pair of status and type is ignored on purpose, never by accident."""
    handled = {kind.__name__ for kind in DISPATCH[Status.NORMAL]}
    assert handled == set(KINDS) - NOT_FOR_REPLICAS
    assert set(DISPATCH[Status.NORMAL]) - set(DISPATCH[Status.VIEW_CHANGE]) == {KINDS["PrePrepare"]}
    assert DISPATCH[Status.LOST_VOTES] == {}
    assert set(DISPATCH[Status.RECOVERING]) < set(DISPATCH[Status.NORMAL])
    assert set(DISPATCH) == set(Status)


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row[1].strip("`"))
def test_a_messages_row_is_true(row: list[str]) -> None:
    """Its handler is the one in the dispatch table, its authentication the policy's."""
    kind = KINDS[row[1].strip("`")]
    handler = DISPATCH[Status.NORMAL].get(kind)
    if handler is not None:
        assert f"`{handler.__module__.removeprefix('quorate.')}.{handler.__name__}`" in row[6]
        assert ("in a view only" in row[6]) is (kind not in DISPATCH[Status.VIEW_CHANGE])
    words = {Scheme.SIGNATURE: "signature", Scheme.VECTOR: "vector of MACs", Scheme.SINGLE: "one MAC"}
    member = Member("127.0.0.1", 7000, "ab" * 32)
    policy = policy_of(ClusterConfiguration("11" * 16, "22" * 16, "counter", (member,), ()))
    assert row[3].startswith(words[policy[kind]])


def ids_in_source() -> set[str]:
    return {found for path in (ROOT / "src/quorate/core").glob("*.py") for found in ID.findall(path.read_text())}


def test_every_rule_stands_in_source_and_page() -> None:
    """Both ways."""
    named = [row[0] for row in RULES]
    assert len(set(named)) == len(named)
    assert set(named) == ids_in_source()


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[0])
def test_a_rules_function_exists_and_says_so(row: list[str]) -> None:
    """The id stands in the docstring of the function that the page names, or at least in its module."""
    name = row[3].strip("`")
    parts = name.split(".")
    module = importlib.import_module(f"quorate.{parts[0]}.{parts[1]}")
    found: object = module
    for part in parts[2:]:
        found = getattr(found, part)
    assert found.__doc__
    assert row[0] in Path(module.__file__ or "").read_text()


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[0])
def test_a_rules_tests_exist(row: list[str]) -> None:
    """At least one test a rule, and each that is named is there."""
    named = 0
    for group in row[4].split("; "):
        file, _, tests = group.partition(": ")
        present = names_in(file.strip("`"))
        for test in tests.split(", "):
            assert test.strip("`") in present, (file, test)
            named += 1
    assert named


def test_every_test_of_a_rule_is_named() -> None:
    """A test whose name carries a rule's id stands in that rule's row."""
    for row in RULES:
        slug = re.compile(rf"_{row[0].lower().replace('-', '_')}(_|$)")
        for folder in ("paper", "core"):
            for path in (ROOT / "tests" / folder).glob("test_*.py"):
                for name in names_in(f"{folder}/{path.name}"):
                    if slug.search(name.removeprefix("test")):
                        assert f"`{name}`" in row[4], (row[0], name)

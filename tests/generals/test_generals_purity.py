"""The generals know nothing of PBFT, and read no clock, file or unseeded die."""

import ast
from pathlib import Path

import pytest

import quorate.generals

MODULES = sorted(Path(quorate.generals.__file__).parent.glob("*.py"))

ALLOWED = {
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "nacl",
    "random",
    "re",
    "types",
    "typing",
    "xml",
}
IMPURE_NAMES = {"open", "print", "input", "id", "hash"}


def imports(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_imports(module: Path) -> None:
    for name in imports(ast.parse(module.read_text())):
        assert name.startswith("quorate.generals") or name.split(".")[0] in ALLOWED, name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_nothing_of_the_outside_world(module: Path) -> None:
    tree = ast.parse(module.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    from_random = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "random"
        for alias in node.names
    }

    assert not names & IMPURE_NAMES
    assert from_random <= {"Random"}, "the module's own die is not seeded"
    assert "random" not in imports(tree) or from_random


def test_there_are_modules() -> None:
    assert len(MODULES) > 10

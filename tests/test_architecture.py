"""The shape of the source, as a test: import direction, banned modules, sizes (docs/ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "quorate"
FILES = sorted(SOURCE.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    # The pure centre. Arrows point inward only.
    "errors": set(),
    "messages": {"errors"},
    "config": {"errors", "messages"},
    "core": {"config", "errors", "messages"},
    "generals": set(),
    # Adapters: they know messages and the Protocols that they satisfy (`core.ports`), not the core's state.
    "auth": {"config", "core", "errors", "messages"},
    "folder": {"auth", "config", "errors", "messages"},
    "net": {"auth", "config", "core", "errors", "messages"},
    "state": {"errors", "messages"},
    "storage": {"config", "errors", "messages"},
    "services": {"config", "core", "errors", "messages", "state"},
    # Two worlds that drive the same core and never meet; traitors live in the simulated one.
    "adversary": {"auth", "client", "config", "core", "errors", "messages"},
    "client": {"auth", "config", "core", "errors", "folder", "messages", "net"},
    "runtime": {"auth", "config", "core", "errors", "folder", "messages", "net", "services", "storage"},
    "sim": {"adversary", "auth", "client", "config", "core", "errors", "messages", "services", "state", "storage"},
    # Outermost: nothing but the command line imports them.
    "gateways": {"client", "config", "errors", "folder", "messages", "services"},
    "campaign": {"errors", "sim"},
    "backup": {
        *("auth", "client", "config", "core", "errors", "folder", "messages", "runtime", "services", "storage"),
    },
    "lab": {
        "adversary",
        "auth",
        "client",
        "config",
        "core",
        "errors",
        "folder",
        "messages",
        "net",
        "runtime",
        "services",
        "sim",
        "storage",
    },
    "cli": {
        *(
            "adversary",
            "auth",
            "backup",
            "campaign",
            "client",
            "config",
            "core",
            "errors",
            "folder",
            "gateways",
            "generals",
            "lab",
            "messages",
        ),
        *("net", "runtime", "services", "sim", "state", "storage"),
    },
    "__main__": {"cli"},
    "__init__": {"client", "config", "core", "errors", "services"},
}
"""Which part of the package may import which. A new part has to be given its place here."""

LABORATORIES = {"adversary", "campaign", "lab", "sim"}
COMMANDS_OF_LABORATORIES = {f"cli/{name}.py" for name in ("attack", "campaign", "explore", "sim", "twins")}

CORE_PORTS = {"ports", "quorum"}
MAY_IMPORT_OF_CORE: dict[str, set[str]] = {
    "auth": CORE_PORTS,
    "net": CORE_PORTS,
    "services": CORE_PORTS,
    "client": CORE_PORTS,
    "cli": CORE_PORTS,
    "backup": {*CORE_PORTS, "access", "replica", "tables"},
    "__init__": CORE_PORTS,
    "adversary": {*CORE_PORTS, "effects", "new_view"},
    "runtime": {*CORE_PORTS, "effects", "replica"},
}
"""Which modules of the core the others may know. The simulator looks inside: it judges."""

BANNED_IN_RULES = {
    *("asyncio", "datetime", "logging", "os", "random", "secrets", "select", "signal", "socket", "subprocess", "sys"),
    *("threading", "time", "uuid", "uvloop", "concurrent", "multiprocessing", "pathlib"),
}
RULES = ["core", "messages"]

LINES_MAX = {"core": 350, "messages": 350}
LINES_MAX_ELSEWHERE = 400
LINES_MAX_OF = {"core/replica.py": 250}
FUNCTION_LINES_MAX = 40
LONGER_FUNCTIONS = {
    ("core/context.py", "__init__"): "the state of a replica, each field with what it means, stands in one place",
}
"""What is past a limit, and why. An entry that is not needed any more has to go."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """All modules that a file imports, dotted; `from quorate import x` as `quorate.x`."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: imports are absolute"
            assert node.module is not None
            if node.module in ("quorate", "quorate.core"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def of_package(path: Path) -> Iterator[list[str]]:
    """The imports from this package, split at the dots, without `quorate` itself."""
    for module in imports_of(path):
        if module.startswith("quorate."):
            yield module.split(".")[1:]


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in FILES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_arrows_point_inward(part: str) -> None:
    """docs/ARCHITECTURE.md: who may import whom."""
    for path in FILES:
        if part_of(path) == part:
            for module in of_package(path):
                assert module[0] in MAY_IMPORT[part] | {part}, f"{name_of(path)} imports quorate.{'.'.join(module)}"


@pytest.mark.parametrize("part", MAY_IMPORT_OF_CORE)
def test_the_cores_state_is_its_own(part: str) -> None:
    """Adapters know the Protocols that they satisfy; only the composition root makes a replica."""
    for path in FILES:
        if part_of(path) == part:
            for module in of_package(path):
                if module[0] == "core":
                    assert module[1] in MAY_IMPORT_OF_CORE[part], f"{name_of(path)} imports {'.'.join(module)}"


def test_traitors_and_the_simulator_are_no_part_of_production() -> None:
    """Only the laboratories run traitors: the simulator, its campaigns, the lab's replicas; of the command line only
    the commands that open one of these."""
    for path in FILES:
        if part_of(path) in LABORATORIES or name_of(path) in COMMANDS_OF_LABORATORIES:
            continue
        named = {module[0] for module in of_package(path)}
        assert not named & {"sim", "adversary"}, name_of(path)


def test_the_two_worlds_never_meet() -> None:
    """`sim` and `runtime` drive the same core and do not know each other."""
    for one, other in (("sim", "runtime"), ("runtime", "sim")):
        assert other not in MAY_IMPORT[one]


def session_files() -> list[Path]:
    """The client's session and what it uses of its own part."""
    found, unread = [], ["session"]
    while unread:
        path = SOURCE / "client" / f"{unread.pop()}.py"
        if path not in found:
            found.append(path)
            unread += [module[1] for module in of_package(path) if module[0] == "client"]
    return found


RULE_FILES = [path for path in FILES if part_of(path) in RULES] + session_files()


def test_the_session_knows_rules_and_keys_alone() -> None:
    """The client's rules are pure as the core is: no sockets, no files, no clock of their own."""
    for path in session_files():
        named = {module[0] for module in of_package(path)}
        assert named <= {"auth", "client", "config", "core", "errors", "messages"}, name_of(path)


@pytest.mark.parametrize("path", RULE_FILES, ids=name_of)
def test_the_rules_are_pure(path: Path) -> None:
    """No clocks, no randomness, no I/O, no threads: data in, data out."""
    used = {module.split(".")[0] for module in imports_of(path)}
    assert not used & BANNED_IN_RULES, f"{name_of(path)}: {used & BANNED_IN_RULES}"
    third_party = used - {"quorate", "msgspec"} - sys.stdlib_module_names
    assert not third_party, f"{name_of(path)}: {third_party}"
    names = {node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)}
    assert not names & {"open", "input", "print", "id", "hash", "globals", "breakpoint"}, name_of(path)


def test_nothing_in_the_core_imports_in_a_circle() -> None:
    """Inside the core, imports follow the paper's order."""
    graph = {
        path.stem: {module[1] for module in of_package(path) if module[0] == "core"} - type_only(path)
        for path in FILES
        if part_of(path) == "core"
    }
    while graph:
        free = {name for name, needed in graph.items() if not needed & set(graph)}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: needed for name, needed in graph.items() if name not in free}


def type_only(path: Path) -> set[str]:
    """Modules of the core that a file imports for its annotations alone."""
    found: set[str] = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and inner.module and inner.module.startswith("quorate.core."):
                    found.add(inner.module.split(".")[2])
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_unpickles_or_evaluates(path: Path) -> None:
    """Nothing unpickles what came off a wire; nothing runs text as code."""
    used = {module.split(".")[0] for module in imports_of(path)}
    assert not used & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "tests"}
    called = {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_source_knows_nothing_of_tests_and_owes_nothing(path: Path) -> None:
    """No import from tests, and no note of what is still to be done: that is what issues are for."""
    assert not {module.split(".")[0] for module in imports_of(path)} & {"tests", "pytest", "hypothesis", "conftest"}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert not any(mark in line for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X:")), f"{name_of(path)}:{number}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    """Past the limit, split by what it is about."""
    lines = len(path.read_text().splitlines())
    assert lines <= LINES_MAX_OF.get(name_of(path), LINES_MAX.get(part_of(path), LINES_MAX_ELSEWHERE))


def longer_functions() -> set[tuple[str, str]]:
    return {
        (name_of(path), node.name)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 - lines_of_docstring(node) > FUNCTION_LINES_MAX
    }


def lines_of_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A command's docstring is its help: it may be long."""
    first = node.body[0]
    return first.end_lineno - first.lineno + 1 if ast.get_docstring(node) and first.end_lineno else 0


def test_functions_do_one_thing() -> None:
    """Up to 20 lines, 40 at most; each exception with its reason, and none that is not needed."""
    assert longer_functions() == set(LONGER_FUNCTIONS)


def test_every_module_says_what_it_is_for() -> None:
    """The first thing in a file is its docstring."""
    silent = [name_of(path) for path in FILES if not ast.get_docstring(tree_of(path))]
    assert silent == []

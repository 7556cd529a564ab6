"""Compile the pure part of Quorate with mypyc: `python tools/compile.py FOLDER` (docs/COMPILED.md).

FOLDER becomes a copy of the sources with extension modules beside them; Python prefers these. The sources stay the
truth: nothing is written for the compiler, and nothing else is installed or shipped.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import setup

ROOT: Final = Path(__file__).parent.parent
PURE: Final = (
    "auth/*.py",
    "core/*.py",
    "messages/digests.py",
    "messages/tree.py",
    *(
        f"services/redis/{name}.py"
        for name in ("glob", "keyspace", "numbers", "parser", "reply", "service", "sorted_set")
    ),
    "sim/*.py",
    "state/*.py",
    *(f"client/{name}.py" for name in ("coalescer", "known", "replicas", "session", "sizes", "waiting")),
)
"""The rules, what drives them in simulated worlds, and the Redis engine without its commands. Sockets and coroutines
stay out, and so do modules whose docstrings are read: compiled functions have none, and COMMAND DOCS is a reply that
all replicas must give alike."""


def has_class_arguments(path: Path) -> bool:
    """Whether a module has a class statement with arguments, such as `frozen=True`: mypyc drops these silently, and
    with them what a message's bytes are. So such modules are not compiled."""
    classes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))
    return any(node.keywords for node in classes)


def modules_of(package: Path) -> list[Path]:
    """What is compiled of *package*."""
    found = sorted(path for pattern in PURE for path in package.glob(pattern))
    return [path for path in found if path.name != "__init__.py" and not has_class_arguments(path)]


def compile_into(folder: Path) -> None:
    """Copy the sources into *folder*, which is made anew, and compile them there."""
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "quorate"
    shutil.copytree(ROOT / "src" / "quorate", package, ignore=shutil.ignore_patterns("__pycache__"))
    os.chdir(folder)
    modules = [str(path.relative_to(folder)) for path in modules_of(package)]
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--hide-error-context"]
    extensions = mypycify([*options, *modules], opt_level="2", debug_level="0", group_name="quorate")
    setup(name="quorate-compiled", ext_modules=extensions, script_args=["--quiet", "build_ext", "--inplace"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    compile_into(Path(sys.argv[1]).resolve())

"""Weakened rules: a function of the core with some of its text replaced, put in place of the real one for a while.

The code object of the function is exchanged, so every module that imported it runs the mutant. A text that is not there
any more is an error: the mutant has to follow the rule it weakens.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import CodeType, FunctionType
from typing import NamedTuple

from quorate.sim.profiles import draw_plan
from quorate.sim.world import World


class Edit(NamedTuple):
    """Replace a text in one function."""

    function: str
    """As `package.module:function` or `package.module:Class.method`, below `quorate`."""
    old: str
    new: str


class Mutant(NamedTuple):
    """One rule, weakened, and where to look for a world that notices."""

    name: str
    edits: tuple[Edit, ...]
    profile: str
    strategies: tuple[str, ...] = ()
    """How the traitors of those worlds lie; empty: in any way."""
    replicas: int = 4
    budget: int = 60
    """How many seeds it may survive at most."""
    unnoticed: str = ""
    """Why no world notices, if that is so: another rule covers this one, or the case is too rare for a sample."""


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """Run with the weakened rule."""
    with ExitStack() as stack:
        for path in dict.fromkeys(edit.function for edit in mutant.edits):
            edits = [edit for edit in mutant.edits if edit.function == path]
            function = find(path)
            original = function.__code__
            stack.callback(setattr, function, "__code__", original)
            function.__code__ = weakened(function, edits)
        yield


def find(path: str) -> FunctionType:
    """The function that a path names."""
    module, _, names = path.partition(":")
    found = importlib.import_module(f"quorate.{module}")
    for name in names.split("."):
        found = getattr(found, name)
    if isinstance(found, property):
        found = found.fget
    assert isinstance(found, FunctionType), path
    return found


def weakened(function: FunctionType, edits: list[Edit]) -> CodeType:
    """The code of the function with its text replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    for edit in edits:
        count = source.count(edit.old)
        assert count == 1, f"{edit.function} has {edit.old!r} {count} times: the mutant has to follow the rule"
        source = source.replace(edit.old, edit.new)
    namespace: dict[str, object] = {}
    code = compile(f"from __future__ import annotations\n{source}", function.__code__.co_filename, "exec")
    exec(code, dict(function.__globals__), namespace)  # noqa: S102 - it is our own source
    made = namespace[function.__name__]
    if isinstance(made, property):
        made = made.fget
    assert isinstance(made, FunctionType)
    return made.__code__


class Kill(NamedTuple):
    """The world that noticed a mutant."""

    seed: int
    rule: str
    text: str


def hunt(mutant: Mutant, seeds: range | None = None) -> Kill | None:
    """The first seed within the mutant's budget whose world breaks a rule."""
    with mutated(mutant):
        for seed in seeds or range(mutant.budget):
            outcome = World(draw_plan(seed, mutant.profile, mutant.replicas, mutant.strategies)).run()
            if outcome.verdicts:
                return Kill(seed, *outcome.verdicts[0])
    return None

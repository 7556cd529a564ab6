"""Weakened rules: a function of the core with some of its text replaced, put in place of the real one for a while.

The code object of the function is exchanged, so every module that imported it runs the mutant. A text that is not there
any more is an error: the mutant has to follow the rule it weakens.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from quorate.sim.checkers import Verdict
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World

SEEN_MAX = 100
"""How much of what was seen is kept."""


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
    """How many seeds are run for it at most."""
    rule: str = ""
    """Its id in docs/PROTOCOL.md, where the function is not the one that carries it, or carries several."""
    played: str = ""
    """Where no seed within the budget notices: the test of `test_counterexamples.py` or
    `test_fast_paths.py` that plays the case by hand."""
    reads: bool = False
    """Whether the read-only path is on in those worlds."""
    redundant: str = ""
    """Why nothing at all is lost, if that is so: another rule covers this one. Then `played` shows just that."""


def mutant(name: str, function: str, old: str, new: str, profile: str, *strategies: str, **more: Any) -> Mutant:
    """A mutant with one edit."""
    return Mutant(name, (Edit(function, old, new),), profile, strategies, **more)


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


class Hunt(NamedTuple):
    """What came of hunting one mutant through the seeds from 0 on."""

    seeds: int
    """How many were run. If a rule is named, the last of them broke it."""
    rule: str = ""
    seen: str = ""


def hunt(mutant: Mutant) -> Hunt:
    """Run seeds until one's world breaks a rule that it keeps without the mutant, or the budget is used up."""
    for seed in range(mutant.budget):
        verdict = run(mutant, seed)
        if verdict is not None:
            assert run_unmutated(mutant, seed) is None, f"seed {seed} breaks a rule without {mutant.name!r} as well"
            return Hunt(seed + 1, verdict.rule, in_short(verdict.text))
    return Hunt(mutant.budget)


def run(mutant: Mutant, seed: int) -> Verdict | None:
    """The first rule that the world of a seed breaks with the weakened rule."""
    with mutated(mutant):
        return run_unmutated(mutant, seed)


def run_unmutated(mutant: Mutant, seed: int) -> Verdict | None:
    """The same world as it is."""
    outcome = World(draw_plan(seed, mutant.profile, mutant.replicas, mutant.strategies, reads=mutant.reads)).run()
    return outcome.verdicts[0] if outcome.verdicts else None


def in_short(text: str) -> str:
    """What a verdict says, on one line: what a stopped replica's frames were, all that is pending, and bytes are left
    out."""
    lines = [" ".join(line.split()) for line in text.splitlines() if not line.lstrip().startswith("File ")]
    short = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    told = re.split(r"[(, ]+\w+=b['\"]", short)[0][:SEEN_MAX]
    return told if told == short else f"{told}..."

"""Seeds under observation: which branches of the core they take, and how often the judge looks at what.

Both cost time, so only a sample of a campaign's seeds is run so.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, Final, NamedTuple

from quorate.campaign.sources import ROOT
from quorate.campaign.summary import Arcs, Counts
from quorate.sim.checkers import Judge
from quorate.sim.explore import Campaign, SeedReport
from quorate.sim.world import World

CORE: Final = ROOT / "core"


def can_observe() -> bool:
    """Whether this runs the sources: compiled, they show neither branches nor calls."""
    return isinstance(Judge.check_bounds, FunctionType)


def can_trace() -> bool:
    """Whether the package that traces branches is installed here."""
    return find_spec("coverage") is not None


@contextmanager
def traced(arcs: Arcs) -> Iterator[None]:
    """Add to *arcs* where execution goes in the core meanwhile, in this thread; nothing without `coverage`."""
    if not can_trace():
        yield
        return
    from coverage import Coverage

    tracer = Coverage(data_file=None, branch=True, config_file=False, include=[str(CORE / "*")], messages=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that modules were imported before, or that nothing of the core was run
        tracer.start()
        try:
            yield
        finally:
            tracer.stop()
        data = tracer.get_data()
    for file in data.measured_files():
        arcs.setdefault(Path(file).name, set()).update(data.arcs(file) or ())


def run_observed(seed: int, campaign: Campaign, checks: Counts) -> SeedReport:
    """Run a seed, and add to *checks* how often the judge was shown what."""
    plan = campaign.plan(seed)
    world = World(plan)
    count_looks(world.judge, checks)
    started = time.perf_counter()
    outcome = world.run()
    return SeedReport(campaign, plan, outcome, time.perf_counter() - started)


def count_looks(judge: Judge, looks: Counts) -> None:
    """Have every public question of a judge counted; what replicas trace by the event."""

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            look = name if name != "hear" else f"traced {arguments[1]}"
            looks[look] = looks.get(look, 0) + 1
            return method(*arguments, **named)

        return call

    for name in dir(judge):
        if name == "hear" or name.startswith(("see_", "check_")):
            setattr(judge, name, counted(name.partition("_")[2].replace("_", " ") or name, getattr(judge, name)))


class FileBranches(NamedTuple):
    """The branches of one file: of lines from which execution can go on in more than one way."""

    file: str
    taken: int
    total: int
    untaken: tuple[tuple[int, int], ...]
    """From which line to which; a negative line is the end of what begins there."""


def branches_of(arcs: Arcs) -> list[FileBranches]:
    """Which branches of the core *arcs* take; nothing without `coverage`."""
    if not arcs or not can_trace():
        return []
    from coverage import Coverage

    report = Coverage(data_file=None, branch=True, config_file=False, messages=False)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = report.get_data()
        data.add_arcs({str(CORE / name): sorted(taken) for name, taken in arcs.items()})
        data.touch_files([str(path) for path in CORE.glob("*.py")])
        file = Path(folder) / "branches.json"
        report.json_report(outfile=str(file))
        content: dict[str, Any] = json.loads(file.read_bytes())
    found = []
    for name, entry in content["files"].items():
        total = entry["summary"]["num_branches"]
        if total:
            untaken = tuple((start, end) for start, end in entry["missing_branches"])
            found.append(FileBranches(Path(name).name, total - len(untaken), total, untaken))
    return sorted(found)

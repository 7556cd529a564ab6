"""One system, started in a temporary folder, and stopped when the context is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.plan import Load
from benchmarks.processes import Processes
from benchmarks.systems.system import Running, Setting, System


@contextmanager
def started(
    system: System, directory: Path, load: Load, setting: Setting | None = None
) -> Iterator[tuple[Processes, Running]]:
    """Start it with one of its settings, by default its first."""
    with (
        tempfile.TemporaryDirectory(prefix="quorate-benchmark-", dir=directory) as folder,
        Processes(Path(folder)) as processes,
    ):
        yield processes, system.start(processes, setting or system.settings[0], load)

"""What the suite knows of a system."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.load.process import LoadProcess
from benchmarks.measurement import MissingPeer
from benchmarks.plan import Load
from benchmarks.processes import Processes


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run a system. A system with several is run with the one that suits each workload best."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)


AS_IT_IS = Setting("")
"""The setting of a system that has one."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started system."""

    roles: dict[str, list[int]]
    """Its processes, by what they do; without the load process."""
    load: LoadProcess | None = None
    """For the loads of `Load.CLIENT`."""
    redis_port: int | None = None
    """Where redis-benchmark connects, for the loads of `Load.REDIS_BENCHMARK`."""
    batches: Callable[[], int | None] = lambda: None
    """How many batches its log holds so far, if it tells."""
    interface: str = ""
    """The network interface that each process has for itself, where it does."""
    cluster: Path | None = None
    """The cluster's folder, of Quorate."""


class System(Protocol):
    """One row of the tables."""

    @property
    def name(self) -> str:
        """As the command line calls it."""

    @property
    def title(self) -> str:
        """As the tables call it."""

    @property
    def loads(self) -> tuple[Load, ...]:
        """The kinds of load it can take."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The ways to run it; at least one."""

    def check(self) -> None:
        """Raise MissingPeer, whose message says how to install what is missing."""

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start it, empty, with what this kind of load needs and nothing else that might cost time. Returns once it
        takes the load; MeasurementFailed when it does not."""


def need_command(name: str, package: str) -> str:
    """The path of a command; MissingPeer names the package of Debian that has it."""
    path = shutil.which(name)
    if path is None:
        raise MissingPeer(f"there is no command {name}: install it with `sudo apt-get install {package}`")
    return path

"""PySyncObj of PyPI: Raft in Python, three nodes, no journal; as installed, and at its best."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import msgspec

from benchmarks.load.process import LoadProcess
from benchmarks.measurement import MissingPeer
from benchmarks.plan import Load
from benchmarks.processes import Processes, free_ports, python_module
from benchmarks.systems.system import Running, Setting

NODES = 3


def _setting(name: str, tick_seconds: float, *, ticks_itself: bool, **configuration: float | bool) -> Setting:
    options = {"tick_seconds": tick_seconds, "ticks_itself": ticks_itself, "configuration": configuration}
    return Setting(name, options)


def _batching(seconds: float, *, ticks_itself: bool) -> Setting:
    """Entries go out together once in so many seconds, and the log is never compacted."""
    thread = "own thread" if ticks_itself else "ticked by the caller"
    return _setting(
        f"batches of {1000 * seconds:g} ms, {thread}",
        seconds,
        ticks_itself=ticks_itself,
        appendEntriesPeriod=seconds,
        logCompactionMinEntries=100_000_000,
        logCompactionMinTime=100_000,
    )


AS_INSTALLED = _setting("as installed", 0.05, ticks_itself=True)
CANDIDATES = (
    _setting("no batches, own thread", 0.05, ticks_itself=True, appendEntriesUseBatch=False),
    _setting("no batches, ticked by the caller", 0.05, ticks_itself=False, appendEntriesUseBatch=False),
    _batching(0.0005, ticks_itself=True),
    _batching(0.002, ticks_itself=True),
    _batching(0.0005, ticks_itself=False),
    _batching(0.002, ticks_itself=False),
)
"""What was found to be best for some number of concurrent operations. A run tries them all, and takes the best for
each workload."""


@dataclass(frozen=True, slots=True)
class PySyncObj:
    """Tolerates one crash."""

    name: str
    title: str
    settings: tuple[Setting, ...]
    loads: tuple[Load, ...] = (Load.CLIENT,)

    def check(self) -> None:
        """It comes from PyPI."""
        if importlib.util.find_spec("pysyncobj") is None:
            raise MissingPeer("there is no package pysyncobj: install it with `.venv/bin/pip install -e '.[bench]'`")

    def start(self, processes: Processes, setting: Setting, load: Load) -> Running:
        """Start two followers, then the load process, which leads."""
        first = free_ports(NODES)
        ports = list(range(first, first + NODES))
        pids = []
        for index in range(1, NODES):
            options = {**setting.options, "ports": _own_first(ports, index), "is_leader": False}
            command = python_module("benchmarks.peers.pysyncobj_store", msgspec.json.encode(options).decode())
            pids.append(processes.start(f"follower-{index}", command).pid)
        options = {**setting.options, "ports": ports, "is_leader": True}
        return Running({"follower": pids}, LoadProcess(processes, "pysyncobj", options))


def _own_first(ports: list[int], index: int) -> list[int]:
    return [ports[index], *ports[:index], *ports[index + 1 :]]


PYSYNCOBJ = PySyncObj("pysyncobj", "PySyncObj at its best, 3 nodes", CANDIDATES)
PYSYNCOBJ_INSTALLED = PySyncObj("pysyncobj-installed", "PySyncObj as installed, 3 nodes", (AS_INSTALLED,))

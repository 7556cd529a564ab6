"""Ten million operations on disk: whether what a replica takes of memory and disk is flat after the first million."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.load.order import Order
from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import C1000, Load, Operations
from benchmarks.results import Look
from benchmarks.room import room_of
from benchmarks.started import started
from benchmarks.systems.quorate import QUORATE_SYNC_MACS

OPERATIONS: Final = 10_000_000
LOOKS: Final = 100
_KEYS: Final = 10_000
_SECONDS: Final = 1.0
"""A replica's files grow for some seconds and are cut off then: so often it has to be looked at to see the height."""
FLAT: Final = 1.1
"""What counts as flat: no more than that many times the most that was taken in the second tenth."""


def measure(directory: Path, tell: Callable[[int], None], operations: int = OPERATIONS) -> list[Look]:
    """Have so many operations executed, and look again and again; *tell* is told how many are done. Each of the looks
    that are returned has the most that was taken since the one before."""
    looks: list[Look] = []
    with started(QUORATE_SYNC_MACS, directory, Load.CLIENT) as (processes, running):
        load, cluster = running.load, running.cluster
        if load is None or cluster is None:
            raise MeasurementFailed("it has no load process or no folder")
        pids = [pid for pids in running.roles.values() for pid in pids]
        folders = [folder / "storage" for folder in cluster.glob("replica-*")]
        chosen = Operations(keys=_KEYS, is_random=True)
        order = Order(outstanding=C1000.outstanding, seconds=_SECONDS, roles=running.roles, operations=chosen)
        done = memory = disk = 0
        while done < operations:
            done += load.measure(order).operations_in_all
            processes.check()
            memory = max(memory, *map(memory_of, pids))
            disk = max(disk, *map(room_of, folders))
            if done >= (len(looks) + 1) * operations // LOOKS:
                looks.append(Look(operations=done, memory_bytes=memory, disk_bytes=disk))
                memory = disk = 0
            tell(done)
    return looks


def memory_of(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return 1024 * int(value.split()[0])
    raise MeasurementFailed(f"process {pid} has no memory: it has ended")


def growth(looks: list[Look]) -> tuple[float, float] | None:
    """By what the most that was taken of memory and of disk grew after the second tenth of the operations, in units of
    the most in it."""
    if not looks:
        return None
    tenth = looks[-1].operations / 10
    base = [look for look in looks if tenth < look.operations <= 2 * tenth]
    later = [look for look in looks if look.operations > 2 * tenth]
    if not base or not later:
        return None
    return (
        max(look.memory_bytes for look in later) / max(look.memory_bytes for look in base),
        max(look.disk_bytes for look in later) / max(look.disk_bytes for look in base),
    )

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
_SECONDS: Final = 5.0
FLAT: Final = 1.1
"""What counts as flat: no more than that many times what was taken after the first tenth."""


def measure(directory: Path, tell: Callable[[int], None], operations: int = OPERATIONS) -> list[Look]:
    """Have so many operations executed, and look again and again; *tell* is told how many are done."""
    looks: list[Look] = []
    with started(QUORATE_SYNC_MACS, directory, Load.CLIENT) as (processes, running):
        load, cluster = running.load, running.cluster
        if load is None or cluster is None:
            raise MeasurementFailed("it has no load process or no folder")
        pids = [pid for pids in running.roles.values() for pid in pids]
        folders = [folder / "storage" for folder in cluster.glob("replica-*")]
        chosen = Operations(keys=_KEYS, is_random=True)
        order = Order(outstanding=C1000.outstanding, seconds=_SECONDS, roles=running.roles, operations=chosen)
        done = 0
        while done < operations:
            done += load.measure(order).operations_in_all
            processes.check()
            taken = Look(
                operations=done,
                memory_bytes=max(map(memory_of, pids)),
                disk_bytes=max(map(room_of, folders)),
            )
            looks.append(taken)
            tell(done)
    return thinned(looks)


def thinned(looks: list[Look]) -> list[Look]:
    """No more than some of them, the last among them."""
    step = -(-len(looks) // LOOKS)
    return looks[::-1][:: max(1, step)][::-1]


def memory_of(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return 1024 * int(value.split()[0])
    raise MeasurementFailed(f"process {pid} has no memory: it has ended")


def growth(looks: list[Look]) -> tuple[float, float] | None:
    """By what memory and disk grew at most, in units of what they were after the first tenth of the operations."""
    if not looks:
        return None
    tenth = looks[-1].operations / 10
    base = next(look for look in looks if look.operations >= tenth)
    later = [look for look in looks if look.operations >= base.operations]
    return (
        max(look.memory_bytes for look in later) / base.memory_bytes,
        max(look.disk_bytes for look in later) / base.disk_bytes,
    )

"""What the machine is, how busy it is, and what processes take of it; from /proc, so on Linux only."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.measurement import MeasurementFailed

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SYNCS = 50

Roles = Mapping[str, Sequence[int]]
"""The processes of a system, by what they do."""


class Snapshot(NamedTuple):
    """Clocks at one moment, all in seconds."""

    moment: float
    machine: float
    """What all processors together have been busy."""
    roles: dict[str, float]
    """What the processes of each role have used, together."""
    sent: dict[str, int]
    """Bytes that they sent by a network interface; empty where none was named."""
    received: dict[str, int]

    @classmethod
    def take(cls, roles: Roles, interface: str = "") -> Snapshot:
        """Read the clocks, and the bytes of the interface that every process has for itself."""
        used = {role: sum(map(processor_seconds, pids)) for role, pids in roles.items()}
        carried = {role: [carried_bytes(pid, interface) for pid in pids] for role, pids in roles.items() if interface}
        received = {role: sum(each[0] for each in all_of) for role, all_of in carried.items()}
        sent = {role: sum(each[1] for each in all_of) for role, all_of in carried.items()}
        return cls(time.perf_counter(), machine_seconds(), used, sent, received)


def processor_seconds(pid: int) -> float:
    """The processor time that a process and its threads have used; 0.0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = text.rpartition(")")[2].split()  # what stands before may hold spaces
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def carried_bytes(pid: int, interface: str) -> tuple[int, int]:
    """The bytes that came and went by an interface of a process's network; headers of TCP, IP and Ethernet count."""
    for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == interface:
            fields = numbers.split()
            return int(fields[0]), int(fields[8])
    raise MeasurementFailed(f"process {pid} has no network interface {interface}")


def machine_seconds() -> float:
    """What all processors have been busy since the machine started; time that a hypervisor took counts."""
    with open("/proc/stat") as lines:
        user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, lines.readline().split()[1:9])
    return (user + nice + system + hard + soft + stolen) / _TICKS_A_SECOND


def others_share(before: Snapshot, after: Snapshot, own: float) -> float:
    """The share of the machine's processors that others used in between; *own* are the seconds used on purpose."""
    return share_of_processors(max(0.0, after.machine - before.machine - own), after.moment - before.moment)


def share_of_processors(used: float, seconds: float) -> float:
    """What so much processor time is of all that the machine had in so many seconds."""
    return used / (seconds * (os.cpu_count() or 1))


def sync_seconds(directory: Path) -> float:
    """The median time of writing 4 KiB and fdatasync there: what a system that syncs cannot go below."""
    path = directory / "sync-test"
    times = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return median(times)


def describe(directory: Path) -> dict[str, str | int | float]:
    """What a reader of the figures has to know of the machine."""
    return {
        "processors": os.cpu_count() or 0,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "fdatasync_ms": round(1000 * sync_seconds(directory), 3),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _commit() -> str:
    """The checkout's commit; a plus sign says that files differ from it. "unknown" outside of a checkout."""
    git = shutil.which("git")
    root = Path(__file__).parent.parent
    if git is None:
        return "unknown"
    command = [git, "-C", str(root), "describe", "--always", "--dirty=+", "--exclude=*"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"

"""redis-benchmark, Redis's own load generator, against a port."""

from __future__ import annotations

import csv
import resource
import subprocess
from collections.abc import Sequence

from benchmarks.machine import Roles, Snapshot, others_share
from benchmarks.measurement import Measured, MeasurementFailed
from benchmarks.plan import VALUE_BYTES, Workload
from benchmarks.processes import LOOPBACK, Processes
from benchmarks.systems.system import need_command

KEYS = 1_000_000
"""redis-benchmark sets random ones of these."""
_PATIENCE_SECONDS = 120.0
_TEST_COLUMN = "test"
_RATE_COLUMN = "rps"
_LATENCY_COLUMNS = {"p50": "p50_latency_ms", "p99": "p99_latency_ms"}
_FIRST_GUESS = 5000
"""Operations of the run that warms up and tells how many to ask for."""


def parse(output: str) -> tuple[float, dict[str, float]]:
    """Operations a second and latencies in seconds, from what `redis-benchmark --csv` prints for one test."""
    lines = [line for line in output.splitlines() if line.startswith('"')]
    rows = list(csv.DictReader(lines))
    if len(rows) != 1 or _RATE_COLUMN not in rows[0]:
        raise MeasurementFailed(f"redis-benchmark printed no figures: {output.strip() or 'nothing'}")
    row = rows[0]
    return float(row[_RATE_COLUMN]), {name: float(row[column]) / 1000 for name, column in _LATENCY_COLUMNS.items()}


def command(port: int, workload: Workload, operations: int) -> list[str]:
    """SET of values as long as everybody's."""
    path = need_command("redis-benchmark", "redis-tools")
    options = {"-h": LOOPBACK, "-p": port, "-t": "set", "-c": workload.outstanding, "-n": operations, "-r": KEYS}
    options |= {"-d": VALUE_BYTES, "-P": workload.pipeline}
    return [path, *(str(word) for option in options.items() for word in option), "--csv"]


def measure(processes: Processes, port: int, workload: Workload, seconds: float, roles: Roles) -> Measured:
    """Run it for about so many seconds, after a short run that warms up and shows how many operations these are."""
    rate, _ = parse(_run(processes, command(port, workload, _FIRST_GUESS)))
    operations = max(_FIRST_GUESS, int(rate * seconds))
    before = Snapshot.take(roles)
    children = _children_seconds()
    rate, latency = parse(_run(processes, command(port, workload, operations)))
    client = _children_seconds() - children
    after = Snapshot.take(roles)
    used = {role: after.roles[role] - before.roles[role] for role in roles}
    return Measured(
        operations=operations,
        seconds=operations / rate,
        latency=latency,
        processor_seconds={role: used[role] / len(pids) for role, pids in roles.items()} | {"client": client},
        processor_seconds_in_all=sum(used.values()) + client,
        processes=sum(map(len, roles.values())),
        others_share=others_share(before, after, sum(used.values()) + client),
        operations_in_all=_FIRST_GUESS + operations,
    )


def _children_seconds() -> float:
    """Processor time of the suite's ended children, of which redis-benchmark is the latest."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(processes: Processes, words: Sequence[str]) -> str:
    """What a command prints. It is stopped with the others when the suite is."""
    process = processes.start("redis-benchmark", words, piped=True)
    try:
        output, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(f"redis-benchmark took longer than {_PATIENCE_SECONDS:g} s") from error
    finally:
        processes.end(process)
    text = output.decode(errors="replace")
    errors = processes.log_of("redis-benchmark").read_text(errors="replace").strip()
    if process.returncode != 0 or "rror" in text + errors:
        raise MeasurementFailed(f"redis-benchmark ended with exit code {process.returncode}: {text} {errors}")
    return text

"""What correct clients have of the cluster while f replicas attack it, and clients flood it: for every strategy of the
laboratory's catalogue, beside the throughput of the correct replicas alone. That is measured before and after each
attack, which is held against the mean of the two: the pace of a shared machine drifts.

All replicas with nobody attacking are measured too: where there are more replicas than processors, what the f others
compute takes from the correct ones, attack or not.

All are measured on a laboratory's replicas (`quorate lab-replica`), which trace all they do and are a little slower
than others for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.load.order import Order
from benchmarks.machine import share_of_processors
from benchmarks.measurement import Measured, MeasurementFailed, Skipped
from benchmarks.plan import C64, Load
from benchmarks.processes import Processes, python_module
from benchmarks.results import Attacks, UnderAttack
from benchmarks.started import started
from benchmarks.systems.quorate import Quorate, status_of
from benchmarks.systems.system import Running
from quorate.core.quorum import quorums_of
from quorate.lab.catalogue import ATTACKS, Attack, Kind

PART: Final = "attacks"
FEW: Final = ("equivocate", "flood", "mute", "slow-primary")
"""What the short form tries."""
ALL: Final = tuple(name for name, attack in ATTACKS.items() if attack.kind is not Kind.PERTURBATION)
LABORATORY: Final = Quorate("laboratory", "Quorate, 4 replicas of a laboratory", is_laboratory=True)
_SETTLE_SECONDS: Final = 4.0
"""From the begin of an attack to that of the measurement: at most f view changes are over then."""
_BEGIN_SECONDS: Final = 20.0
_ATTACKER: Final = "attacker"
WANTED_SHARE: Final = 0.7


def measure(
    directory: Path, names: Sequence[str], seconds: float, tell: Callable[[str], None]
) -> tuple[Attacks, list[Skipped]]:
    """The correct replicas alone and each attack on a cluster of its own, in turn; and what failed."""

    def measure_quiet(dead: int) -> float:
        tell(f"{LABORATORY.replicas - dead} replicas, nobody attacks")
        return _measure_quiet(directory, seconds, dead).throughput

    faults = quorums_of(LABORATORY.replicas).faults
    together = measure_quiet(0)
    alone = measure_quiet(faults)
    outcomes, skipped = [], []
    for name in names:
        before = alone
        tell(name)
        try:
            measured, views = _measure_attack(directory, ATTACKS[name], seconds)
        except MeasurementFailed as error:
            skipped.append(Skipped(PART, f"{name}: {error}"))
            continue
        alone = measure_quiet(faults)
        outcomes.append(_outcome(ATTACKS[name], measured, views, (before + alone) / 2))
    return Attacks(without_attack=together, outcomes=outcomes), skipped


def steps(names: Sequence[str]) -> int:
    """How many clusters `measure` starts."""
    return 2 + 2 * len(names)


def _measure_quiet(directory: Path, seconds: float, dead: int) -> Measured:
    with started(LABORATORY, directory, Load.CLIENT) as (processes, running):
        for pid in running.roles["backup"][:dead]:
            processes.kill(pid)
        return _load(processes, running, seconds)


def _measure_attack(directory: Path, attack: Attack, seconds: float) -> tuple[Measured, int]:
    """And the view in the end."""
    with started(LABORATORY, directory, Load.CLIENT) as (processes, running):
        if running.cluster is None:
            raise MeasurementFailed("it has no folder")
        words = ("benchmarks.attacker", str(running.cluster), attack.name, f"{2 * _SETTLE_SECONDS + 2 * seconds:g}")
        attacker = processes.start("attacker", python_module(*words))
        processes.wait_until(lambda: bool(processes.log_of("attacker").read_bytes()), _BEGIN_SECONDS, "attacking")
        measured = _load(processes, running, seconds, {_ATTACKER: [attacker.pid]})
        replicas = status_of(running.cluster)["replicas"]
        processes.end(attacker)
    return measured, max(replica["view"] or 0 for replica in replicas)


def _outcome(attack: Attack, measured: Measured, views: int, without_faulty: float) -> UnderAttack:
    return UnderAttack(
        attack=attack.name,
        row=attack.row,
        throughput=measured.throughput,
        without_faulty=without_faulty,
        latency=measured.latency,
        views=views,
        attacker_share=share_of_processors(measured.processor_seconds[_ATTACKER], measured.seconds),
        others_share=measured.others_share,
    )


def _load(
    processes: Processes, running: Running, seconds: float, others: dict[str, list[int]] | None = None
) -> Measured:
    if running.load is None:
        raise MeasurementFailed("it has no load process")
    roles = {"replica": _alive(processes), **(others or {})}
    order = Order(outstanding=C64.outstanding, seconds=seconds, warm_up=_SETTLE_SECONDS, roles=roles)
    return running.load.measure(order)


def _alive(processes: Processes) -> list[int]:
    return [pid for name, pid in processes.running() if name.startswith("replica-")]

"""What is done to a cluster, to whom and in which order: drawn from a seed, so that a run can be had again. Pure.

Faults are dealt from a shuffled pack, so that none is absent for long. When a step begins is up to the driver: a
replica takes the time that it takes to recover, and nobody is hit who must not be (`ledger`).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

from quorate.core.quorum import Quorums


class Fault(StrEnum):
    """What is done to replicas."""

    KILL = "kill"
    KILL_AGAIN = "kill-again"
    STOP = "stop"
    PAUSE = "pause"
    CUT = "cut"
    DEAF = "one-way-deaf"
    UNHEARD = "one-way-unheard"
    DAMAGE_STATE = "damage-state"
    DAMAGE_VOTES = "damage-votes"
    WIPE = "wipe"
    RECOVER = "recover"
    KILL_ALL = "kill-all"
    KILL_GATEWAY = "kill-gateway"


WORDS: Final = {
    Fault.KILL: "SIGKILL, and started again",
    Fault.KILL_AGAIN: "SIGKILL, and again while it starts",
    Fault.STOP: "SIGTERM, and started again",
    Fault.PAUSE: "SIGSTOP, and SIGCONT",
    Fault.CUT: "cut off from the other replicas",
    Fault.DEAF: "hears nothing from the other replicas",
    Fault.UNHEARD: "is not heard by the other replicas",
    Fault.DAMAGE_STATE: "a file of its state rots, is cut off or goes",
    Fault.DAMAGE_VOTES: "its votes rot, are cut off or go",
    Fault.WIPE: "all that it kept goes",
    Fault.RECOVER: "killed, and `quorate recover` before it starts again",
    Fault.KILL_ALL: "SIGKILL for all at once",
    Fault.KILL_GATEWAY: "SIGKILL for a gateway, and started again",
}
PARTITIONS: Final = frozenset({Fault.CUT, Fault.DEAF, Fault.UNHEARD})
"""What needs network namespaces. The names are shapes of `lab.paths`."""
DESTRUCTIVE: Final = frozenset({Fault.DAMAGE_STATE, Fault.DAMAGE_VOTES, Fault.WIPE, Fault.RECOVER})
"""What takes something from a replica that it has to get back from the others."""
_PACK: Final = {
    Fault.KILL: 3,
    Fault.KILL_AGAIN: 1,
    Fault.STOP: 1,
    Fault.PAUSE: 2,
    Fault.CUT: 2,
    Fault.DEAF: 1,
    Fault.UNHEARD: 1,
    Fault.DAMAGE_STATE: 2,
    Fault.DAMAGE_VOTES: 2,
    Fault.WIPE: 2,
    Fault.RECOVER: 1,
    Fault.KILL_ALL: 2,
    Fault.KILL_GATEWAY: 1,
}
"""How often each comes in a pack."""
_PAUSE_SECONDS: Final = (0.2, 2.0)
_LENGTHS: Final = {Fault.PAUSE: (0.5, 5.0), Fault.CUT: (0.5, 6.0), Fault.DEAF: (0.5, 6.0), Fault.UNHEARD: (0.5, 6.0)}
_OTHER_LENGTH: Final = (0.1, 2.5)


class Step(Struct, frozen=True):
    """One fault."""

    number: int
    pause: float
    """Seconds after the begin of the step before it; more when somebody has to recover first."""
    fault: Fault
    replicas: tuple[int, ...]
    """Whom it hits; nobody when it is a gateway."""
    seconds: float
    """How long it lasts, or how long a process is down."""
    chance: int
    """Decides what else is left to chance: which byte rots, which gateway dies."""

    def __str__(self) -> str:
        whom = ", ".join(map(str, self.replicas))
        hit = f" {whom}" if whom and self.fault is not Fault.KILL_ALL else ""
        return f"{self.fault}{hit} for {self.seconds:.1f} s"


def draw_plan(seed: int, quorums: Quorums, seconds: float) -> list[Step]:
    """As many steps as could begin in so many seconds if nobody ever had to recover. A longer plan of the same seed
    begins with the same steps."""
    steps: list[Step] = []
    passed = 0.0
    for step in _steps(Random(f"chaos {seed} {quorums.replica_count}"), quorums):
        passed += step.pause
        if passed > seconds:
            return steps
        steps.append(step)
    raise AssertionError("the pack never ends")


def _steps(random: Random, quorums: Quorums) -> Iterator[Step]:
    number = 0
    while True:
        pack = [fault for fault, count in _PACK.items() for _ in range(count)]
        random.shuffle(pack)
        for fault in pack:
            number += 1
            yield _draw_step(random, number, fault, quorums)


def _draw_step(random: Random, number: int, fault: Fault, quorums: Quorums) -> Step:
    return Step(
        number=number,
        pause=round(random.uniform(*_PAUSE_SECONDS), 1),
        fault=fault,
        replicas=_draw_replicas(random, fault, quorums),
        seconds=round(random.uniform(*_LENGTHS.get(fault, _OTHER_LENGTH)), 1),
        chance=random.getrandbits(32),
    )


def _draw_replicas(random: Random, fault: Fault, quorums: Quorums) -> tuple[int, ...]:
    if fault is Fault.KILL_GATEWAY:
        return ()
    if fault is Fault.KILL_ALL:
        return tuple(range(quorums.replica_count))
    count = random.randint(1, quorums.faults)
    return tuple(sorted(random.sample(range(quorums.replica_count), count)))

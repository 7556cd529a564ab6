"""One run with twins: who is twice, how the group is divided in each phase, and what becomes of what crosses.

A scenario has a name from which it can be run again, such as `4:0:mac:012+30b.lost.2,013+20b.lost.2`: four replicas,
replica 0 runs twice (`0` and `0b`), MACs, and two phases.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

from quorate.errors import ConfigurationError
from quorate.sim.twins.splits import Group

Authentication = Literal["mac", "signature"]
REPLICAS_MAX: Final = 10
"""A process is named by one digit."""
CUTS: Final = (0, 1, 2, 3)
"""How many message delays after the requests of a phase its split begins: 0, both begin at once; 1, PRE-PREPAREs have
arrived; 2, PREPAREs have; 3, the nearest COMMITs have."""


class Fate(Enum):
    """What becomes of messages between the sides."""

    LOST = "lost"
    LATE = "late"
    """They arrive as soon as sender and receiver are on one side again."""


class Phase(NamedTuple):
    """One division of the group."""

    split: int
    fate: Fate
    cut: int


class Scenario(NamedTuple):
    """Everything that a run follows from."""

    group: Group
    authentication: Authentication
    phases: tuple[Phase, ...]
    seed: int | None = None
    """Message delays are drawn from it; without one all are equal, but for those between sides to be."""

    @property
    def name(self) -> str:
        """The scenario in one word."""
        phases = ",".join(
            f"{sides_name(self.group, phase.split)}.{phase.fate.value}.{phase.cut}" for phase in self.phases
        )
        twins = "".join(map(str, self.group.twins)) or "-"
        seed = "" if self.seed is None else f":{self.seed}"
        return f"{self.group.replicas}:{twins}:{self.authentication}:{phases}{seed}"


def process_name(group: Group, process: int) -> str:
    """`0` is replica 0, `0b` its second copy."""
    return str(process) if process < group.replicas else f"{group.identities[process]}b"


def sides_name(group: Group, split: int) -> str:
    """Both sides of a split, as in `012+30b`."""
    return "+".join("".join(process_name(group, process) for process in side) for side in group.sides(split))


def parse_scenario(name: str) -> Scenario:
    """The scenario of a name. Raises ConfigurationError."""
    found = re.fullmatch(r"(\d+):(\d+|-):(\w+):([^:]+)(?::(\d+))?", name)
    if found is None or found[3] not in get_args(Authentication):
        raise ConfigurationError(
            f"--scenario {name}: expected REPLICAS:TWINS:mac|signature:PHASES[:SEED], "
            "for example 4:0:mac:012+30b.lost.2,013+20b.lost.2"
        )
    group = make_group(int(found[1]), tuple(map(int, found[2].replace("-", ""))))
    phases = tuple(_parse_phase(group, word) for word in found[4].split(","))
    authentication: Authentication = "signature" if found[3] == "signature" else "mac"
    return Scenario(group, authentication, phases, None if found[5] is None else int(found[5]))


def make_group(replicas: int, twins: tuple[int, ...]) -> Group:
    """A group, checked."""
    if not 4 <= replicas <= REPLICAS_MAX:
        raise ConfigurationError(f"{replicas} replicas: a group with twins has 4 to {REPLICAS_MAX} replicas")
    if list(twins) != sorted(set(twins)) or any(twin >= replicas for twin in twins):
        raise ConfigurationError(f"twins {twins}: name replicas below {replicas}, each once, in order")
    return Group(replicas, twins)


def _parse_phase(group: Group, word: str) -> Phase:
    names = {process_name(group, process): process for process in range(len(group.identities))}
    found = re.fullmatch(r"((?:\db?)*)\+((?:\db?)*)\.(lost|late)\.(\d)", word)
    sides = [re.findall(r"\db?", side) for side in found.group(1, 2)] if found is not None else []
    if found is None or sorted([*sides[0], *sides[1]]) != sorted(names) or int(found[4]) not in CUTS:
        raise ConfigurationError(
            f"phase {word}: expected SIDE+SIDE.lost|late.CUT with every one of {', '.join(names)} on one side"
        )
    split = sum(1 << names[name] for name in sides[1])
    return Phase(split ^ (1 << len(names)) - 1 if split & 1 else split, Fate(found[3]), int(found[4]))

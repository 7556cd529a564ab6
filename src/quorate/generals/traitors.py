"""What traitors say when messages are oral: one small function a strategy (L82 section 3).

A strategy is asked once for every message that a traitor owes and may say anything, late or never.
It sees the whole problem, so traitors may conspire; it has no state, so a run is a function of its
arguments, whatever the order in which messages are worked out.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

from quorate.generals.orders import Late, Order, Utterance
from quorate.generals.problem import Problem

Path = tuple[int, ...]
"""Who passed an order on: the commander first, the general who speaks now last."""


class Occasion(NamedTuple):
    """One message that a traitor is about to send."""

    path: Path
    receiver: int
    target: int
    """Whom it is for; differs from the receiver only where a graph makes it travel (section 5)."""
    honest: Order
    """What a loyal general would say in his place."""


OralStrategy = Callable[[Problem, Occasion], Utterance]


def silent(problem: Problem, occasion: Occasion) -> Utterance:
    """Never says anything."""
    return None


def constant(problem: Problem, occasion: Occasion) -> Utterance:
    """Says the wrong order to everybody, always."""
    return problem.lie


def split(problem: Problem, occasion: Occasion) -> Utterance:
    """Tells even generals the order and odd generals the lie."""
    return problem.lie if occasion.target % 2 else problem.order


def random(problem: Problem, occasion: Occasion) -> Utterance:
    """Order, lie or silence, drawn from the seed for each message on its own."""
    return (problem.order, problem.lie, None)[draw(problem.seed, occasion, 3)]


def path_dependent(problem: Problem, occasion: Occasion) -> Utterance:
    """Contradicts itself from path to path: the lie where path and receiver add up to an odd number."""
    return problem.lie if (sum(occasion.path) + occasion.target) % 2 else problem.order


def colluding(problem: Problem, occasion: Occasion) -> Utterance:
    """Traitors agree on two camps of loyal lieutenants and keep each camp's story straight.

    One half hears the order from every traitor on every path, the other half hears the lie; among
    themselves the traitors pass on what they were told.
    """
    if occasion.target in problem.traitors:
        return occasion.honest
    loyal = problem.loyal_lieutenants
    is_in_first_camp = occasion.target in loyal[: (len(loyal) + 1) // 2]
    return problem.order if is_in_first_camp else problem.lie


def late(problem: Problem, occasion: Occasion) -> Utterance:
    """Tells the truth when the round is over."""
    return Late(occasion.honest)


def draw(seed: int, occasion: object, sides: int) -> int:
    """A die with that many sides, thrown by the seed for this occasion."""
    digest = blake2b(f"{seed} {occasion}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % sides


ORAL_STRATEGIES: Mapping[str, OralStrategy] = MappingProxyType(
    {
        "silent": silent,
        "constant": constant,
        "split": split,
        "random": random,
        "path-dependent": path_dependent,
        "colluding": colluding,
        "late": late,
    }
)

"""Orders, and how a general makes one order out of many (L82 sections 3 and 4).

The papers' citations are to Lamport, Shostak and Pease, "The Byzantine Generals Problem",
ACM TOPLAS 4(3), 1982: L82 for short, everywhere in this package.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Order = str
"""Any short text. Where the median is asked for, orders are ranked alphabetically."""

ATTACK: Order = "attack"
RETREAT: Order = "retreat"
"""What a general does who was told nothing (L82 section 3)."""


@dataclass(frozen=True, slots=True)
class Late:
    """An order sent after its round had ended. By A3 the receiver has already noted its absence."""

    order: Order


Utterance = Order | Late | None
"""What one general says to another in one round; None is silence."""

Choice = Callable[[Collection[Order]], Order]
"""OM's `majority` and SM's `choice`: fixed, deterministic, blind to the order of its arguments."""


def obeyed(utterance: Utterance) -> Order:
    """What the receiver takes an utterance for: silence and lateness are RETREAT (L82 section 3)."""
    return utterance if isinstance(utterance, str) else RETREAT


def majority(orders: Collection[Order]) -> Order:
    """The order that more than half of them are, else RETREAT (L82 section 3, choice 1)."""
    for order, count in Counter(orders).items():
        if 2 * count > len(orders):
            return order
    return RETREAT


def median(orders: Collection[Order]) -> Order:
    """The middle one, the lower of two middle ones, RETREAT of none (L82 section 3, choice 2; section 4).

    A majority stands in the middle of the sorted orders, so this is a `majority` too.
    """
    return sorted(orders)[(len(orders) - 1) // 2] if orders else RETREAT


CHOICES: Mapping[str, Choice] = MappingProxyType({"majority": majority, "median": median})

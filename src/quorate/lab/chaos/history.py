"""What callers did and saw, as a list that can be judged and written down. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from quorate.sim.linearizability import END_OF_TIME, Call
from quorate.sim.register import ABSENT, key_of

ACCOUNTS: Final = 3
"""Of each ledger. Transfers move amounts between them, so together they hold nothing."""


class Deed(Struct, frozen=True):
    """One operation of a caller, in the words of `sim.register`. Times are microseconds of the monotonic clock."""

    caller: str
    operation: str
    invoked: int
    returned: int | None = None
    """None when the caller never learnt whether it was done."""
    result: str | None = None
    balances: tuple[int, ...] | None = None
    """Of a ledger: what its accounts held in the same instant."""
    failure: str = ""
    """Why the caller never learnt it."""

    @property
    def key(self) -> str:
        """The register that it is about."""
        return key_of(self.operation.encode()).decode()

    @property
    def verb(self) -> str:
        """What is done to it."""
        return self.operation.partition(" ")[0]

    @property
    def words(self) -> list[str]:
        """What the operation brings along."""
        return self.operation.split(" ")[2:]

    @property
    def call(self) -> Call:
        """For the checker of linearizability."""
        results = None if self.result is None else (self.result.encode(),)
        returned = END_OF_TIME if self.returned is None else self.returned
        return Call(self.caller, self.invoked, returned, (self.operation.encode(),), results)


class Transfer(NamedTuple):
    """An amount that goes from one account to another. It is appended to the ledger in the same transaction."""

    name: str
    """Unlike any other's."""
    source: int
    target: int
    amount: int

    def __str__(self) -> str:
        return f"{self.name}:{self.source}:{self.target}:{self.amount}."


def entries_in(text: str) -> list[str]:
    """What was appended to a register; each entry ends in a full stop."""
    return [f"{entry}." for entry in text.split(".") if entry not in ("", ABSENT.decode())]


def transfers_in(ledger: str) -> list[Transfer]:
    """What a ledger's text tells."""
    found = []
    for entry in entries_in(ledger):
        name, source, target, amount = entry.removesuffix(".").split(":")
        found.append(Transfer(name, int(source), int(target), int(amount)))
    return found


ADDENDS: Final = 31
"""So many additions a counter takes, each with an addend of its own: a power of four, so that a sum tells which went
into it, and how often."""


def addend(number: int) -> int:
    """The addend of a counter's n-th addition."""
    return 1 << 2 * number


def addends_in(total: str) -> list[int]:
    """The addends that make a sum, each as often as it is in it."""
    value = 0 if total == ABSENT.decode() else int(total)
    return [addend(number) for number in range(ADDENDS + 1) for _ in range(value // addend(number) % 4)]


def balances_of(ledger: str) -> tuple[int, ...]:
    """What the accounts hold after the transfers of a ledger's text."""
    balances = [0] * ACCOUNTS
    for transfer in transfers_in(ledger):
        balances[transfer.source] -= transfer.amount
        balances[transfer.target] += transfer.amount
    return tuple(balances)


def by_key(deeds: Sequence[Deed]) -> dict[str, list[Deed]]:
    """The deeds of each register."""
    found: defaultdict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        found[deed.key].append(deed)
    return dict(found)

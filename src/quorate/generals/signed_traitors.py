"""What traitors send when orders are signed: one small function a strategy (L82 section 4).

A traitor holds the keys of all traitors, so they may sign for one another, and every signed order
that reached him. He may withhold, delay, split, build chains of traitors only, and try what A4 rules
out. What he can not do is sign for a loyal general.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from quorate.generals.orders import Order
from quorate.generals.problem import Problem
from quorate.generals.signatures import Keyring, SignedOrder
from quorate.generals.traitors import draw


class Letter(NamedTuple):
    receiver: int
    signed_order: SignedOrder


@dataclass(frozen=True)
class Vantage:
    """What one traitor sees at the start of a round."""

    problem: Problem
    round: int
    last_round: int
    traitor: int
    neighbours: tuple[int, ...]
    """The lieutenants whom he can reach."""
    heard: Mapping[int, tuple[SignedOrder, ...]]
    """What reached him, by round."""
    keyring: Keyring

    @property
    def is_commander(self) -> bool:
        return self.traitor == self.problem.commander

    def issue(self, order: Order) -> SignedOrder:
        """An order under the commander's signature, if the commander is one of us."""
        return self.keyring.sign(SignedOrder(order), self.problem.commander)

    def news(self, round_: int) -> Iterator[SignedOrder]:
        """For each order that reached him first in that round, one chain that he may extend."""
        known = {each.order for earlier in range(1, round_) for each in self.heard.get(earlier, ())}
        for signed_order in self.heard.get(round_, ()):
            if signed_order.order not in known and self.traitor not in signed_order.signers:
                known.add(signed_order.order)
                yield signed_order

    def relays(self) -> Iterator[Letter]:
        """What a loyal lieutenant would send in this round: each new order, signed on, to the others."""
        for signed_order in self.news(self.round - 1):
            yield from self.to_others(self.keyring.sign(signed_order, self.traitor))

    def to_others(self, signed_order: SignedOrder) -> Iterator[Letter]:
        """To every reachable lieutenant who has not signed it."""
        for receiver in self.neighbours:
            if receiver not in signed_order.signers:
                yield Letter(receiver, signed_order)


SignedStrategy = Callable[[Vantage], Iterable[Letter]]


def silent(vantage: Vantage) -> Iterator[Letter]:
    """Never sends anything."""
    yield from ()


def constant(vantage: Vantage) -> Iterator[Letter]:
    """A commander orders the lie; a lieutenant passes on the lie and nothing else."""
    yield from _steer(vantage, lambda receiver, path: vantage.problem.lie)


def split(vantage: Vantage) -> Iterator[Letter]:
    """The order for even generals, the lie for odd ones."""
    problem = vantage.problem
    yield from _steer(vantage, lambda receiver, path: problem.lie if receiver % 2 else problem.order)


def random(vantage: Vantage) -> Iterator[Letter]:
    """Order, lie or nothing for each receiver, drawn from the seed."""
    problem = vantage.problem
    sides = (problem.order, problem.lie, None)
    yield from _steer(vantage, lambda receiver, path: sides[draw(problem.seed, (receiver, path), 3)])


def path_dependent(vantage: Vantage) -> Iterator[Letter]:
    """The lie where signers and receiver add up to an odd number, the order elsewhere."""
    problem = vantage.problem
    yield from _steer(vantage, lambda receiver, path: problem.lie if (sum(path) + receiver) % 2 else problem.order)


def _steer(vantage: Vantage, wanted: Callable[[int, tuple[int, ...]], Order | None]) -> Iterator[Letter]:
    """A commander gives each receiver the wanted order; a lieutenant withholds all but the wanted one.

    A traitor cannot invent an order under a loyal commander's signature, so withholding is all he has.
    """
    if vantage.is_commander:
        if vantage.round == 1:
            for receiver in vantage.neighbours:
                order = wanted(receiver, (vantage.traitor,))
                if order is not None:
                    yield Letter(receiver, vantage.issue(order))
        return
    for letter in vantage.relays():
        if letter.signed_order.order == wanted(letter.receiver, letter.signed_order.signers):
            yield letter


def colluding(vantage: Vantage) -> Iterator[Letter]:
    """Traitors pass a second order around among themselves and show it to one loyal lieutenant, late.

    Everybody gets the order in round 1. The lie, signed by traitors only, one a round, surfaces when
    they run out of signatures or of rounds. With more than m traitors it can surface in round m+1,
    when nobody has time to pass it on: this is why Theorem 2 stops at m traitors.
    """
    problem = vantage.problem
    if problem.is_commander_loyal:
        return
    if vantage.is_commander and vantage.round == 1:
        yield from vantage.to_others(vantage.issue(problem.order))
    conspirators = sorted(problem.traitors - {problem.commander})[: vantage.last_round - 1]
    last = conspirators[-1] if conspirators else problem.commander
    if vantage.traitor == last and vantage.round == len(conspirators) + 1:
        hidden = vantage.issue(problem.lie)
        for conspirator in conspirators:
            hidden = vantage.keyring.sign(hidden, conspirator)
        loyal = [receiver for receiver in vantage.neighbours if receiver not in problem.traitors]
        yield from (Letter(receiver, hidden) for receiver in loyal[:1])


def late(vantage: Vantage) -> Iterator[Letter]:
    """Sends all that a loyal general would, one round too late."""
    if vantage.is_commander:
        if vantage.round == 2:
            yield from vantage.to_others(vantage.issue(vantage.problem.order))
        return
    for signed_order in vantage.news(vantage.round - 2):
        yield from vantage.to_others(vantage.keyring.sign(signed_order, vantage.traitor))


def forged(vantage: Vantage) -> Iterator[Letter]:
    """Puts the lie into the mouth of a loyal general, whose signature he has to fake.

    The victim is a loyal commander, else the first loyal lieutenant; a traitorous commander first
    sends his order as he should.
    """
    problem = vantage.problem
    if vantage.is_commander and vantage.round == 1:
        yield from vantage.to_others(vantage.issue(problem.order))
    if problem.is_commander_loyal:
        chain = vantage.keyring.forge(SignedOrder(problem.lie), problem.commander, vantage.traitor)
    elif problem.loyal_lieutenants:
        genuine = vantage.issue(problem.lie)
        chain = vantage.keyring.forge(genuine, problem.loyal_lieutenants[0], vantage.traitor)
    else:
        return
    if not vantage.is_commander:
        chain = vantage.keyring.sign(chain, vantage.traitor)
    if vantage.round == len(chain.signers):
        yield from vantage.to_others(chain)


def altered(vantage: Vantage) -> Iterator[Letter]:
    """Changes the order under signatures that are genuine, and signs the result."""
    problem = vantage.problem
    if vantage.is_commander and vantage.round == 1:
        yield from vantage.to_others(vantage.issue(problem.order))
    for genuine in vantage.news(vantage.round - 1):
        order = problem.lie if genuine.order == problem.order else problem.order
        changed = SignedOrder(order, genuine.signers, genuine.signatures)
        yield from vantage.to_others(vantage.keyring.sign(changed, vantage.traitor))


def repeated_signer(vantage: Vantage) -> Iterator[Letter]:
    """Holds an order back for a round and signs twice, so that the chain is as long as it should be."""
    if vantage.is_commander:
        chains = [vantage.issue(vantage.problem.order)] if vantage.round == 2 else []
    else:
        news = vantage.news(vantage.round - 2)
        chains = [vantage.keyring.sign(signed_order, vantage.traitor) for signed_order in news]
    for chain in chains:
        yield from vantage.to_others(vantage.keyring.sign(chain, vantage.traitor))


def truncated_chain(vantage: Vantage) -> Iterator[Letter]:
    """Tears the commander's signature off, and with it the proof of who gave the order."""
    if vantage.is_commander:
        chains = [SignedOrder(vantage.problem.order)] if vantage.round == 1 else []
    else:
        chains = [
            vantage.keyring.sign(SignedOrder(each.order, each.signers[1:], each.signatures[1:]), vantage.traitor)
            for each in vantage.news(vantage.round - 1)
        ]
    for chain in chains:
        yield from vantage.to_others(chain)


SIGNED_STRATEGIES: Mapping[str, SignedStrategy] = MappingProxyType(
    {
        "silent": silent,
        "constant": constant,
        "split": split,
        "random": random,
        "path-dependent": path_dependent,
        "colluding": colluding,
        "late": late,
        "forged": forged,
        "altered": altered,
        "repeated-signer": repeated_signer,
        "truncated-chain": truncated_chain,
    }
)

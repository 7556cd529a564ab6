"""One replica: its states within the bounds, and what leads from one to the next. Found by running the core.

A transition is a *bundle*: up to three messages, delivered one after the other, of which the last makes the replica
conclude something; those before are only counted. No rule of the protocol is repeated here: whether a delivery led
anywhere is seen by comparing states. Every state is met once, whatever the other replicas do meanwhile.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from quorate.core.admission import accept_vote
from quorate.core.context import Core
from quorate.core.context import Status as Mode
from quorate.core.effects import Broadcast, Effect, Send, Trace
from quorate.core.new_view import Choice, compute_new_view
from quorate.core.ports import Opened
from quorate.core.quorum import primary_of
from quorate.core.replica import Replica
from quorate.errors import InvariantViolation
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Commit, NewView, Prepare, Status, ViewChange
from quorate.sim.small_worlds.alphabet import Alphabet, each
from quorate.sim.small_worlds.bounds import REPLICAS, Bounds
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator, opened_of, replica_of
from quorate.sim.small_worlds.copying import copy_of, state_of
from quorate.sim.small_worlds.forgetting import forget, let_time_pass, stop_clock

BUNDLE: Final = 3
"""With four replicas nothing is concluded from more than three messages of others."""
TIME: Final = -1
"""In a bundle: the timer expires."""

BROKEN: Final = "broken"
"""The fact that the replica stopped at an invariant."""

NO_VIEW: Final = -1


class Fact(NamedTuple):
    """Something that a replica concluded."""

    what: str
    view: int = NO_VIEW
    number: int = 0
    """A sequence number; of a view that was entered, that of the checkpoint it begins from."""
    digest: bytes = b""
    chosen: tuple[tuple[int, bytes], ...] = ()
    """What the NEW-VIEW chose, of a view that was entered."""
    text: str = ""
    """The rule that does not hold, of a replica that stopped."""


class Transition(NamedTuple):
    """From one state to another, once all that it *needs* is under way."""

    needs: int
    target: int
    bundle: tuple[int, ...]


class State:
    """A state of one replica, all that it sent on the way there, and all that it ever concluded."""

    __slots__ = ("facts", "number", "offered", "replica", "sent", "transitions", "value")

    def __init__(self, number: int, replica: Replica, value: object, sent: int, facts: frozenset[Fact]) -> None:
        self.number = number
        self.replica = replica
        self.value = value
        self.sent = sent
        self.facts = facts
        self.offered = 0
        """The messages whose deliveries were tried in this state."""
        self.transitions: list[Transition] = []

    @property
    def is_broken(self) -> bool:
        """Whether the replica stopped at an invariant."""
        return any(fact.what == BROKEN for fact in self.facts)


class Behaviour:
    """The states of one replica, explored as far as somebody asks."""

    def __init__(self, owner: int, bounds: Bounds, alphabet: Alphabet, at_will: int, states: list[State]) -> None:
        self.owner: Final = owner
        self.states = states
        """Those of all replicas: a state's number says whose it is, too."""
        self.steps = 0
        self._bounds = bounds
        self._alphabet = alphabet
        self._at_will = at_will
        self._known: dict[object, State] = {}
        self._choices: dict[object, Choice | None] = {}
        self.initial = self._intern(replica_of(owner), 0, frozenset())

    def transitions(self, state: State, under_way: int) -> list[Transition]:
        """What may happen in a state: all transitions found so far, those that *under_way* suffices for among them."""
        fresh = under_way & ~state.offered
        if fresh and not state.is_broken:
            self._offer(state, fresh)
        return state.transitions

    def _offer(self, state: State, fresh: int) -> None:
        if not state.offered:
            self._expire(state)
        state.offered |= fresh
        channels: dict[object, list[int]] = {}
        for at in each(state.offered):
            if self._can_matter(state.replica.core, at):
                channels.setdefault(self._alphabet.channel(at), []).append(at)
        for channel in channels.values():
            if not any(fresh >> at & 1 for at in channel):
                continue
            if self._bounds.is_reduced and self._alphabet.letters[channel[0]].label.kind is ViewChange:
                self._lead(state, channel, fresh)
            else:
                self._bundle(state, channel)

    def _can_matter(self, core: Core, at: int) -> bool:
        """Whether a delivery could lead anywhere now. A vote for another view than the present one is kept for later at
        best, and can as well come later. VIEW-CHANGEs make a backup do what the timer can make it do at any time; only
        to the primary that they elect does it matter what they say."""
        if not self._bounds.is_reduced:
            return True
        message = self._alphabet.letters[at].opened.message
        if isinstance(message, Prepare | Commit):
            return accept_vote(core, message) is None
        if isinstance(message, ViewChange):
            leads = primary_of(message.view, REPLICAS) == self.owner
            return leads and message.view == core.view and core.status is Mode.VIEW_CHANGE
        return True

    def _expire(self, state: State) -> None:
        if state.replica.core.view + 1 < self._bounds.views:
            after = copy_of(state.replica)
            let_time_pass(after.core)
            self._conclude(state, after, None, (TIME,))

    def _bundle(self, state: State, channel: list[int]) -> None:
        """Deliver sets of messages of a channel, one of each sender, until the replica concludes something. In which
        order those came that are only counted makes no difference; which one is the last may."""
        counted: dict[frozenset[int], Replica] = {frozenset(): state.replica}
        for _ in range(BUNDLE if self._bounds.is_reduced else 1):
            longer: dict[frozenset[int], Replica] = {}
            for members, replica in counted.items():
                for at in self._others(members, channel):
                    if members | {at} in longer:
                        continue
                    after = copy_of(replica)
                    opened = self._alphabet.letters[at].opened
                    if not self._conclude(state, after, opened, (*sorted(members), at)):
                        longer[members | {at}] = after
            counted = longer

    def _others(self, members: frozenset[int], channel: list[int]) -> list[int]:
        """The messages of a channel from senders that are not among the members' yet."""
        letters = self._alphabet.letters
        senders = {letters[at].label.sender for at in members} | {self.owner}
        return [at for at in channel if letters[at].label.sender not in senders]

    def _lead(self, state: State, channel: list[int], fresh: int) -> None:
        """The same for the primary of a new view and its VIEW-CHANGEs. A traitor may send too many for all sets of them
        to be tried: of those that determine the same choice together with the same ones of correct replicas, one is.
        `compute_new_view` itself says what they determine."""
        core = state.replica.core
        tried: set[tuple[int, Choice]] = set()
        counted: list[frozenset[int]] = [frozenset()]
        for _ in range(BUNDLE):
            longer: set[frozenset[int]] = set()
            for members in counted:
                for at in self._others(members, channel):
                    wider = members | {at}
                    choice = self._choice(core, wider)
                    if choice is None:
                        longer.add(wider)
                        continue
                    needs = sum(1 << member for member in wider) & ~self._at_will
                    if (needs, choice) not in tried and any(fresh >> member & 1 for member in wider):
                        tried.add((needs, choice))
                        self._deliver_all(state, (*sorted(members), at))
            counted = sorted(longer, key=sorted)

    def _choice(self, core: Core, members: frozenset[int]) -> Choice | None:
        """What VIEW-CHANGEs determine together with the replica's own, if anything."""
        letters = self._alphabet.letters
        own = [message for message, _ in core.views.view_changes.values()]
        if len(members) + len(own) < core.quorums.quorum:
            return None
        key = (members, *own)
        if key not in self._choices:
            others = [letters[at].opened.message for at in members]
            known = [*own, *(message for message in others if isinstance(message, ViewChange))]
            made = compute_new_view(known, core.quorums, core.log.window)
            self._choices[key] = made if isinstance(made, Choice) else None
        return self._choices[key]

    def _deliver_all(self, state: State, bundle: tuple[int, ...]) -> None:
        after = copy_of(state.replica)
        for at in bundle[:-1]:
            run(after, self._alphabet.letters[at].opened, self._bounds.wall_of(self.owner))
        self._conclude(state, after, self._alphabet.letters[bundle[-1]].opened, bundle)

    def _conclude(self, state: State, after: Replica, opened: Opened | None, bundle: tuple[int, ...]) -> bool:
        """Run the core once. True when that led somewhere: the transition is known then."""
        self.steps += 1
        try:
            effects = run(after, opened, self._bounds.wall_of(self.owner))
        except InvariantViolation as violation:
            target = self._intern(after, state.sent, state.facts | {Fact(BROKEN, text=str(violation))})
        else:
            sent = state.sent | self._sent_by(effects)
            facts = state.facts | facts_of(after.core, effects)
            if sent == state.sent and facts == state.facts:
                value = state_of(self._reduced(after))
                if value == state.value:
                    return False
            target = self._intern(after, sent, facts)
        self._add(state, bundle, target)
        return True

    def _reduced(self, replica: Replica) -> Replica:
        """A copy in the form in which states are kept."""
        reduced = copy_of(replica)
        if self._bounds.is_reduced:
            forget(reduced.core)
        else:
            stop_clock(reduced.core)
        return reduced

    def _intern(self, replica: Replica, sent: int, facts: frozenset[Fact]) -> State:
        reduced = self._reduced(replica)
        if reduced.core.last_executed > 0 and not any(fact.what == BROKEN for fact in facts):
            sent |= self._told(reduced)
        key = (state_of(reduced), sent, facts)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = State(len(self.states), reduced, key[0], sent, facts)
            self.states.append(known)
        return known

    def _told(self, replica: Replica) -> int:
        """What peers that say they have nothing, or lack votes, get told: DECIDED claims. Asking changes nothing, so it
        is done always."""
        asker = next(peer for peer in range(REPLICAS) if peer != self.owner)
        told = 0
        for status in (
            Status(0, True, 0, 0, b"", 0, (), asker),
            Status(replica.core.view, False, 0, 0, b"", 0, (), asker),
        ):
            opened = opened_of(SymbolicAuthenticator(asker).seal(status))
            told |= self._sent_by(run(copy_of(replica), opened, self._bounds.wall_of(self.owner)))
        return told

    def _sent_by(self, effects: list[Effect]) -> int:
        bits = 0
        for effect in effects:
            if isinstance(effect, Broadcast | Send):
                bits |= self._alphabet.bits(opened_of(effect.frame))
        return bits & ~self._at_will

    def _add(self, state: State, bundle: tuple[int, ...], target: State) -> None:
        needs = sum(1 << at for at in bundle if at != TIME) & ~self._at_will
        same = [entry for entry in state.transitions if entry.target == target.number]
        if any(entry.needs & needs == entry.needs for entry in same):
            return
        superseded = [entry for entry in same if entry.needs & needs == needs]
        state.transitions = [entry for entry in state.transitions if entry not in superseded]
        state.transitions.append(Transition(needs, target.number, bundle))


def run(replica: Replica, opened: Opened | None, wall: int) -> list[Effect]:
    """Deliver one message, or let the timer that was set expire; check the core's own invariants."""
    if opened is not None:
        replica.receive(opened, 0, wall)
    effects = replica.settle(0, wall)
    replica.check_invariants()
    return effects


def facts_of(core: Core, effects: list[Effect]) -> frozenset[Fact]:
    """What a replica concluded in one step."""
    facts: set[Fact] = set()
    for effect in effects:
        if not isinstance(effect, Trace):
            continue
        details = effect.details
        match effect.event:
            case "prepared" | "committed":
                facts.add(_fact(effect.event, details, "view"))
            case "decided" | "executed":
                facts.add(_fact(effect.event, details, None))
            case "entered-view":
                new_view = decode(decode_envelope(core.views.new_view_frame).payload)
                assert isinstance(new_view, NewView)
                chosen = tuple((entry.sequence_number, entry.digest) for entry in new_view.chosen)
                facts.add(Fact("entered", core.view, new_view.checkpoint.sequence_number, chosen=chosen))
    return frozenset(facts)


def _fact(what: str, details: dict[str, Any], view: str | None) -> Fact:
    return Fact(what, NO_VIEW if view is None else details[view], details["sequence_number"], details["digest"])

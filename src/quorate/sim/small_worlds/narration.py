"""The shortest run to a broken rule: for people to read, and run again on replicas that nobody reduced.

A search may merge what differs, and its states forget. So what it finds is not believed before fresh replicas, given
the same deliveries and nothing else, break a rule too.
"""

from __future__ import annotations

from typing import NamedTuple

from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Opened
from quorate.core.replica import Replica
from quorate.errors import InvariantViolation
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import (
    Chosen,
    Commit,
    Decided,
    Message,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Request,
    ViewChange,
)
from quorate.sim.small_worlds.alphabet import Label, label_of, parts_of
from quorate.sim.small_worlds.behaviour import BROKEN, TIME, Fact, State, facts_of, run
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator, batches_of, opened_of, replica_of
from quorate.sim.small_worlds.forgetting import let_time_pass, stop_clock
from quorate.sim.small_worlds.properties import Verdict, conflict, describe
from quorate.sim.small_worlds.search import Limits, Place, Step, World, search
from quorate.sim.small_worlds.traitor import new_views_of
from quorate.sim.trace import PAPER_NAMES


class Story(NamedTuple):
    """A run that breaks a rule. `is_real`: fresh replicas broke it too."""

    verdict: Verdict
    lines: tuple[str, ...]
    is_real: bool


def tell(bounds: Bounds, limits: Limits) -> Story | None:
    """The shortest run that breaks a rule, if there is one within the limits; with every replica under its name."""
    world = World(bounds, use_symmetry=False)
    came_from: dict[Place, tuple[Place, Step]] = {}
    report = search(world, limits, came_from=came_from)
    if report.verdict is None or report.place is None:
        return None
    steps: list[Step] = []
    place = report.place
    while place != world.initial:
        place, step = came_from[place]
        steps.insert(0, step)
    return Rerun(world).tell(steps)


class Rerun:
    """Fresh replicas, and what they really sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = {digest: name for digest, (name, _) in batches_of(world.bounds).items()}
        self._replicas = {number: replica_of(number) for number in world.bounds.correct}
        self._facts: dict[int, frozenset[Fact]] = dict.fromkeys(self._replicas, frozenset())
        self._sent: dict[Label, Opened] = {}
        self._lines: list[str] = []
        self._is_real = True

    def tell(self, steps: list[Step]) -> Story:
        """Run the steps again, and say what happens."""
        for step in steps:
            for at in step.transition.bundle:
                if at == TIME:
                    self._act(step.replica, None, "its timer expires")
                else:
                    self._deliver(step.replica, at)
        verdict = self._verdict()
        wanted = self._world.states[steps[-1].transition.target].facts
        self._is_real = self._is_real and verdict is not None
        text = Verdict("none on fresh replicas", self._list(wanted))
        named = verdict or text
        return Story(Verdict(named.rule, self._readable(named.text)), tuple(self._lines), self._is_real)

    def _deliver(self, replica: int, at: int) -> None:
        letter = self._world.alphabet.letters[at]
        opened = self._really_sent(letter.label, letter.opened)
        if opened is None:
            self._is_real = False
            self._lines.append(f"  (nobody sent {self._describe(letter.opened.message)} on the way here)")
            return
        sender = letter.label.sender
        traitor = ", the traitor" if sender in self._world.bounds.traitors else ""
        author = "a client" if isinstance(opened.message, Request) else f"replica {sender}{traitor}"
        self._act(replica, opened, f"gets {self._describe(opened.message)} of {author}")

    def _really_sent(self, label: Label, opened: Opened) -> Opened | None:
        """The message itself. A traitor's NEW-VIEW is made anew of the VIEW-CHANGEs that were really sent."""
        if label.sender not in self._world.bounds.traitors:
            return opened if isinstance(opened.message, Request) else self._sent.get(label)
        if not isinstance(opened.message, NewView):
            return opened
        letters = self._world.alphabet.letters
        known = [sent for sent in self._sent.values() if isinstance(sent.message, ViewChange)]
        known += [
            letter.opened
            for letter in letters
            if letter.label.kind is ViewChange and letter.label.sender in self._world.bounds.traitors
        ]
        known = [sent for sent in known if isinstance(sent.message, ViewChange) and sent.message.view == label.view]
        wished = iter([opened.message.chosen])
        for message, holds in new_views_of(label.sender, label.view, known, wished):
            if (message.checkpoint, message.chosen, holds) == label.content:
                return opened_of(SymbolicAuthenticator(label.sender).seal(message))
        return None

    def _act(self, number: int, opened: Opened | None, what: str) -> None:
        replica = self._replicas[number]
        stop_clock(replica.core)
        if opened is None:
            let_time_pass(replica.core)
        before = self._facts[number]
        try:
            effects = run(replica, opened, self._world.bounds.wall_of(number))
        except InvariantViolation as violation:
            self._facts[number] = before | {Fact(BROKEN, text=str(violation))}
            self._lines.append(f"replica {number} {what}: it stops, for '{violation}' does not hold")
            return
        new = facts_of(replica.core, effects) - before
        self._facts[number] = before | new
        said = self._remember(effects)
        self._tell_decided(number, replica)
        consequences = [self._list(frozenset(new))] if new else []
        consequences += [f"sends {', '.join(said)}"] if said else []
        self._lines.append(f"replica {number} {what}" + "".join(f"; {text}" for text in consequences))

    def _remember(self, effects: list[Effect]) -> list[str]:
        said: list[str] = []
        for effect in effects:
            if isinstance(effect, Broadcast | Send):
                for part in parts_of(opened_of(effect.frame)):
                    label = label_of(part)
                    if self._is_news(label):
                        assert label is not None
                        self._sent[label] = part
                        said.append(self._describe(part.message))
        return said

    def _is_news(self, label: Label | None) -> bool:
        bounds = self._world.bounds
        if label is None or label.kind is Request or label in self._sent:
            return False
        return label.view < bounds.views and label.number <= bounds.requests

    def _tell_decided(self, number: int, replica: Replica) -> None:
        """A peer that asks is told what was executed here."""
        executed = [fact for fact in self._facts[number] if fact.what == "executed"]
        for fact in executed:
            entries = (Chosen(fact.number, fact.digest),)
            opened = opened_of(SymbolicAuthenticator(number).seal(Decided(entries, number)))
            label = label_of(opened)
            assert label is not None
            self._sent.setdefault(label, opened)

    def _verdict(self) -> Verdict | None:
        states = [State(number, self._replicas[number], None, 0, facts) for number, facts in self._facts.items()]
        for at, one in enumerate(states):
            for other in states[at:]:
                found = conflict(one, other)
                if found is not None:
                    return found
        return None

    def _list(self, facts: frozenset[Fact]) -> str:
        return self._readable("; ".join(sorted(describe(fact) for fact in facts)))

    def _readable(self, text: str) -> str:
        for digest, name in self._names.items():
            text = text.replace(digest.hex()[:6], name)
        return text

    def _describe(self, message: Message) -> str:
        name = PAPER_NAMES[type(message)]
        match message:
            case ViewChange():
                prepared, pre_prepared = self._claims(message.prepared), self._claims(message.pre_prepared)
                return f"{name}(view {message.view}, P={prepared}, Q={pre_prepared})"
            case NewView():
                senders = [decode(decode_envelope(frame).payload) for frame in message.view_changes]
                of = ",".join(str(sender.replica) for sender in senders if isinstance(sender, ViewChange))
                chosen = ", ".join(f"{entry.sequence_number}:{self._names[entry.digest]}" for entry in message.chosen)
                return f"{name}(view {message.view}, of {{{of}}}, chosen {{{chosen}}})"
            case Decided():
                (entry,) = message.entries
                return f"{name}({entry.sequence_number}:{self._names[entry.digest]})"
            case PrePrepare() | Prepare() | Commit():
                return f"{name}(view {message.view}, {message.sequence_number}:{self._names[message.digest]})"
        return name

    def _claims(self, claims: tuple[PreparedClaim, ...] | tuple[PrePreparedClaim, ...]) -> str:
        return "{" + ", ".join(f"{c.sequence_number}:{self._names[c.digest]}@{c.view}" for c in claims) + "}"

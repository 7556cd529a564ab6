"""One scenario under virtual time: phases in which two sides hear nothing of each other, then everybody hears all.

A frame to an identity goes to each of its copies; what is apart does not hear it in this phase. Copies of one identity
do not speak with each other: a replica sends nothing to itself.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Final, NamedTuple

from quorate.core.context import Core
from quorate.core.effects import Broadcast, Effect, Send, SendReply, Trace
from quorate.core.quorum import quorums_of
from quorate.errors import InvariantViolation
from quorate.messages.protocol import Reply
from quorate.sim.checkers import Verdict
from quorate.sim.twins.judge import Judge
from quorate.sim.twins.parties import CLIENTS, Client, Process, members_of
from quorate.sim.twins.scenario import Fate, Phase, Scenario, process_name, sides_name
from quorate.sim.twins.splits import WHOLE

HOP: Final = 1000
"""How long a message takes, in microseconds."""
FAR: Final = 1300
"""How long it takes between processes that are going to be apart: each side hears its own first."""
CUT_AT: Final = (0, 1500, 2700, 3200)
"""When a split begins, after the requests: PRE-PREPAREs arrive at 1000 or 1300, PREPAREs from 2000 to 2600, COMMITs
from 3000 on."""
OPENING: Final = 8_000
"""How long the clients have to open their sessions."""
PHASE: Final = 200_000
"""How long a phase lasts: enough for two view changes at the longest timeout."""
RETRY: Final = 50_000
"""How often a client repeats a request once all is healed."""
LIVENESS: Final = 5_000_000
"""How long all may take to come to an end then."""
EVENTS_MAX: Final = 500_000

Write = Callable[[int, int, str, bytes], None]
"""Whoever reads along is given the time, a process, what happens there, and the frame if one came."""


class Outcome(NamedTuple):
    """How a scenario ended."""

    verdicts: tuple[Verdict, ...]
    messages: int
    time: int
    healed_after: int
    """How long it took, once all was healed, until everything was answered and everyone level."""
    views: int
    executed: int
    completed: int
    quorum_phases: int
    """Phases in which a side had a quorum."""
    live_phases: int
    """Those of them in which a correct replica executed something."""
    stopped_copies: int
    """Copies of twins that stopped because the group decided what they, for themselves, know to be impossible."""


class TwinsWorld:
    """Everything of one run. `run` runs it."""

    def __init__(self, scenario: Scenario, write: Write | None = None) -> None:
        self.scenario = scenario
        self.now = 0
        self.messages = 0
        group = self._group = scenario.group
        members = members_of(group.replicas, scenario.authentication)
        self._quorums = quorums_of(group.replicas)
        self.judge = Judge(self._quorums, group.correct)
        self.processes = [Process(at, identity, members) for at, identity in enumerate(group.identities)]
        self.clients = [Client("ab"[at], members.clients[at]) for at in range(CLIENTS)]
        self._by_identity = [
            [process.address for process in self.processes if process.identity == identity]
            for identity in range(group.replicas)
        ]
        self._correct = [process for process in self.processes if process.identity in group.correct]
        self._random = None if scenario.seed is None else Random(scenario.seed)
        self._split = self._coming = WHOLE
        self._fate = Fate.LOST
        self._held: list[tuple[int, int, bytes]] = []
        self._heap: list[tuple[int, int, int, int, bytes]] = []
        self._serial = 0
        self._write = write
        self._quorum_phases = self._live_phases = 0

    def run(self) -> Outcome:
        """Open the sessions, go through the phases, heal, and judge."""
        for process in self.processes:
            self._take_turn(process)
        self._submit(WHOLE)
        self._run_until(OPENING)
        for phase in self.scenario.phases:
            if not self.judge.verdicts:
                self._run_phase(phase)
        healed = self.now
        if not self.judge.verdicts:
            self._heal()
        if not self.judge.verdicts:
            self.judge.check_end({process.log for process in self._correct})
        return Outcome(
            tuple(self.judge.verdicts),
            self.messages,
            self.now,
            self.now - healed,
            self.judge.highest_view,
            self.judge.last_executed,
            sum(client.completed for client in self.clients),
            self._quorum_phases,
            self._live_phases,
            sum(process.has_stopped for process in self.processes if process not in self._correct),
        )

    # The phases

    def _run_phase(self, phase: Phase) -> None:
        self._coming = phase.split
        started = self.now
        if phase.cut:
            self._submit(phase.split)
            self._run_until(started + CUT_AT[phase.cut])
        self._note(f"phase: {sides_name(self._group, phase.split)}, what crosses is {phase.fate.value}")
        executed = self.judge.last_executed
        self._divide(phase.split, phase.fate)
        if not phase.cut:
            self._submit(phase.split)
        self._run_until(started + PHASE)
        self._look_inside()
        if any(self._group.has_quorum(side, self._quorums.quorum) for side in self._group.sides(phase.split)):
            self._quorum_phases += 1
            self._live_phases += self.judge.last_executed > executed

    def _look_inside(self) -> None:
        """The rules' own invariants."""
        for process in self.processes:
            if not process.has_stopped:
                try:
                    process.replica.check_invariants()
                except InvariantViolation as error:
                    self._stop(process, error)

    def _divide(self, split: int, fate: Fate) -> None:
        """From now on this split holds; what was held for processes that are together again arrives."""
        self._split = self._coming = split
        self._fate = fate
        held, self._held = self._held, []
        for sender, receiver, frame in held:
            self._transmit(sender, receiver, frame)

    def _heal(self) -> None:
        """Everybody hears everybody. Each client wants one more answer than it has asked for."""
        self._note("everything heals")
        self._divide(WHOLE, Fate.LOST)
        wanted = [client.completed + 1 + (client.request is not None) for client in self.clients]
        end = self.now + LIVENESS
        while self.now < end and not self.judge.verdicts:
            if all(client.completed >= enough for client, enough in zip(self.clients, wanted, strict=True)):
                if all(self._is_level(process.replica.core) for process in self._correct):
                    return
            else:
                self._submit(WHOLE)
            self._run_until(self.now + RETRY)
        if not self.judge.verdicts:
            self.judge.accuse("liveness", self._pending())

    def _is_level(self, core: Core) -> bool:
        """Whether a replica has executed all that any has, and nothing besides that may still be undone: a client
        believes a tentative answer before anything has committed."""
        return core.last_executed == self.judge.last_executed and core.tentative is None

    def _pending(self) -> str:
        lines = [f"client {client.name} waits for {client.request}" for client in self.clients if client.request]
        lines += [str(process.replica.report()) for process in self.processes]
        return "\n    ".join(["not done in the time that is given:", *lines])

    def _submit(self, split: int) -> None:
        """Each client sends its request to its side, the whole group when there is no other."""
        sides = self._group.sides(split)
        for client, side in zip(self.clients, sides, strict=True):
            frame = client.frame_to_send()
            for receiver in side or sides[0]:
                self._push(self.now + self._delay(receiver, receiver), receiver, receiver, frame)

    # Events

    def _push(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        self._serial += 1
        heappush(self._heap, (time, self._serial, sender, receiver, frame))

    def _delay(self, sender: int, receiver: int) -> int:
        if self._random is not None:
            return HOP // 2 + self._random.randrange(HOP)
        return FAR if (self._coming >> sender ^ self._coming >> receiver) & 1 else HOP

    def _transmit(self, sender: int, receiver: int, frame: bytes) -> None:
        """A frame leaves: held or lost when the receiver is apart now, or when it is on arrival."""
        if (self._split >> sender ^ self._split >> receiver) & 1:
            self._keep(sender, receiver, frame)
        else:
            self._push(self.now + self._delay(sender, receiver), sender, receiver, frame)

    def _keep(self, sender: int, receiver: int, frame: bytes) -> None:
        if self._fate is Fate.LATE:
            self._held.append((sender, receiver, frame))

    def _run_until(self, end: int) -> None:
        """Let time pass. An empty frame in the heap is a process's turn, or its alarm."""
        heap, processes = self._heap, self.processes
        while heap and heap[0][0] <= end and not self.judge.verdicts:
            self.now, serial, sender, receiver, frame = heappop(heap)
            process = processes[receiver]
            if frame:
                self._arrive(sender, process, frame)
            elif self.now in (process.turn_at, process.alarm):
                self._take_turn(process)
            if serial > EVENTS_MAX:
                self.judge.accuse("quiet", f"more than {EVENTS_MAX} events: something goes round and round")
        self.now = max(self.now, end)

    def _arrive(self, sender: int, process: Process, frame: bytes) -> None:
        if (self._split >> sender ^ self._split >> process.address) & 1:
            self._keep(sender, process.address, frame)
            return
        self.messages += 1
        if self._write is not None:
            self._write(self.now, process.address, f"from {process_name(self._group, sender)}", frame)
        process.inbox.append(frame)
        if process.turn_at != self.now:
            process.turn_at = self.now
            self._push(self.now, process.address, process.address, b"")

    def _take_turn(self, process: Process) -> None:
        """All that arrived at this moment is handled together, as in the real event loop."""
        process.turn_at = None
        if process.has_stopped:
            return
        try:
            effects = process.take_turn(self.now)
        except Exception as error:  # noqa: BLE001 - whatever stops a replica is the judge's business
            self._stop(process, error)
            return
        for effect in effects:
            self._perform(process, effect)
        deadline = process.replica.next_deadline()
        if deadline is not None and (process.alarm is None or process.alarm <= self.now or deadline < process.alarm):
            process.alarm = max(deadline, self.now + 1)
            self._push(process.alarm, process.address, process.address, b"")

    def _stop(self, process: Process, error: Exception) -> None:
        """The rules raised. For a correct replica that is a verdict; a twin's copy falls silent."""
        process.has_stopped = True
        self.judge.see_failure(process.identity, error)

    def _perform(self, process: Process, effect: Effect) -> None:
        match effect:
            case Broadcast(message, frame):
                self.judge.see_sent(process.identity, message)
                for identity, receivers in enumerate(self._by_identity):
                    if identity != process.identity:
                        for receiver in receivers:
                            self._transmit(process.address, receiver, frame)
            case Send(identity, message, frame):
                self.judge.see_sent(process.identity, message)
                for receiver in self._by_identity[identity]:
                    self._transmit(process.address, receiver, frame)
            case SendReply(reply, frame):
                self._hear_reply(reply.client, frame)
            case Trace(event, details):
                self.judge.hear(process.identity, event, details)
                if self._write is not None:
                    self._write(self.now, process.address, f"{event} {details}", b"")

    def _hear_reply(self, key: bytes, frame: bytes) -> None:
        """Clients hear everybody, whatever divides the group: so they believe whatever can be believed."""
        for client in self.clients:
            if client.authenticator.client_id == key:
                reply = client.authenticator.open(frame)
                assert isinstance(reply, Reply)
                content = self.judge.hear_reply(reply)
                asked = client.request
                is_answer = asked is not None and (asked.session, asked.timestamp) == (reply.session, reply.timestamp)
                if content is not None and is_answer:
                    client.believe(content)

    def _note(self, text: str) -> None:
        if self._write is not None:
            self._write(self.now, -1, text, b"")

"""A replica of the simulated world: its process, its disk and its clocks around the real rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from quorate.core.effects import Broadcast, Effect, Persist, Send, SendReply, Trace
from quorate.core.ports import Context, Opened
from quorate.core.replica import Replica, ReplicaReport
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.records import Record
from quorate.messages.tree import Path
from quorate.sim.checkers import Judge
from quorate.sim.clock import Clock
from quorate.sim.disk import Disk, leaves_of
from quorate.sim.plan import ClockPlan
from quorate.sim.register import RegisterService
from quorate.sim.remembering import Remembering


class Behaviour(Protocol):
    """What a replica's process runs: the rules, or a traitor that has the same face."""

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        """Take in one authentic message."""

    def settle(self, now: int, wall: int) -> list[Effect]:
        """Draw the conclusions; what is to be done, in order."""

    def next_deadline(self) -> int | None:
        """When to settle again at the latest, on the node's monotonic clock."""

    def report(self) -> ReplicaReport:
        """How it is, for people and for the judge."""


class Surroundings(Protocol):
    """What a node sees of its world."""

    now: int

    def schedule(self, time: int, action: Callable[[], None]) -> None:
        """Let something happen then."""

    def peers_of(self, replica: int) -> Sequence[int]:
        """The other replicas."""

    def transmit(self, sender: int, receiver: int, frame: bytes) -> None:
        """Hand a frame to the network."""

    def address_of(self, client: bytes) -> int | None:
        """Where a client is, if it is of this world."""

    def tell(self, node: int, text: str) -> None:
        """Something for whoever reads the trace."""

    def tell_event(self, node: int, event: Trace) -> None:
        """What a replica traced, for whoever reads the trace."""


LOOK_EVERY: Final = 16
"""How many turns of a correct replica go by between two looks at its insides."""

MakeBehaviour = Callable[["ReplicaNode", Iterable[Record], bool], Behaviour]
"""A process is started: its node, what its disk holds, and whether its votes are lost."""


class Witness(RegisterService):
    """The service of a correct replica: its checkpoints go to the disk, and the judge hears what it is told to do."""

    def __init__(self, disk: Disk, replica: int, judge: Judge) -> None:
        super().__init__()
        self._disk = disk
        self._replica = replica
        self._judge = judge
        self._position = (0, 0)
        """The sequence number that was executed last, and the index of the operation in its batch."""
        self._changes: set[tuple[bytes, bytes]] = set()

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply one operation, watched."""
        result = super().execute(operation, context)
        number, index = self._position
        index = index + 1 if number == context.sequence_number else 0
        self._position = (context.sequence_number, index)
        self._judge.see_execution(self._replica, index, operation, context, result)
        if self._judge.is_correct_client(context.client) and not operation.startswith(b"read "):
            if (context.client, operation) in self._changes:
                self._judge.see_operation_twice(self._replica, operation, context.sequence_number)
            self._changes.add((context.client, operation))
        return result

    def checkpoint(self, sequence_number: int) -> bytes:
        """Freeze the contents, for the disk too."""
        digest = super().checkpoint(sequence_number)
        self._disk.stage(sequence_number, leaves_of(self, sequence_number, digest))
        return digest

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Take over a peer's state, for the disk too."""
        super().install(sequence_number, leaves)
        self._disk.stage(sequence_number, leaves_of(self, sequence_number, self.digest_of(sequence_number)))


class ReplicaNode:
    """One replica: an address, keys, a disk, clocks, and a process that runs or is down."""

    def __init__(
        self,
        world: Surroundings,
        judge: Judge,
        authenticator: Remembering,
        make: MakeBehaviour,
        clock: ClockPlan,
        turn: int,
        is_correct: bool,
    ) -> None:
        self.address = authenticator.replica_id
        self.authenticator = authenticator
        self.is_correct = is_correct
        self.has_failed = False
        self.has_lost_votes = False
        self.crash_after: int | None = None
        """The process dies after this many more effects."""
        self.clock = Clock(clock)
        self.service: Witness
        self.behaviour: Behaviour | None = None
        self.incarnation = 0
        self.unauthentic = 0
        self._world = world
        self._judge = judge
        self._make = make
        self._turn = turn
        self._disk = Disk()
        self._turns = 0
        self._inbox: list[bytes] = []
        self._turn_at: int | None = None
        self._alarm: int | None = None
        self._paused_until = 0
        self._performers: dict[type, Callable[[Any], None]] = {
            Broadcast: self._broadcast,
            Send: self._send,
            SendReply: self._send_reply,
            Persist: self._persist,
            Trace: self._trace,
        }

    # The process

    def start(self) -> None:
        """The process starts, from what its disk holds."""
        self.incarnation += 1
        self._world.tell(self.address, "starts" if self.incarnation == 1 else "starts again")
        self._judge.see_start(self.address)
        self.service = Witness(self._disk, self.address, self._judge)
        try:
            self._disk.restore(self.service)
            self.behaviour = self._make(self, self._disk.records(), self.has_lost_votes)
        except Exception as error:  # noqa: BLE001 - as in a turn
            self._stop(error)
        else:
            self._plan_turn()

    def crash(self) -> None:
        """The process dies; what it did not persist is gone."""
        self.behaviour = None
        self.crash_after = None
        self._inbox.clear()
        self._world.tell(self.address, "crashes")

    def lose_votes(self) -> None:
        """The disk is gone, and it is known that it is."""
        self._disk = Disk()
        self.has_lost_votes = True

    def pause(self, until: int) -> None:
        """The process stands still; what arrives waits."""
        self._paused_until = max(self._paused_until, until)

    def arrive(self, frame: bytes) -> None:
        """The network delivers a frame."""
        if self.behaviour is not None:
            self._inbox.append(frame)
            if self._turn_at is None:
                self._plan_turn()

    def _plan_turn(self) -> None:
        self._turn_at = max(self._world.now + self._turn, self._paused_until)
        self._world.schedule(self._turn_at, self._take_turn)

    def _take_turn(self) -> None:
        """Handle all that came, settle once, and do what the rules want done: a turn of the real event loop."""
        if self._turn_at != self._world.now:
            return
        self._turn_at = None
        if self._paused_until > self._world.now:
            self._plan_turn()
            return
        if self.behaviour is None:
            return
        now, wall = self.clock.monotonic(self._world.now), self.clock.wall(self._world.now)
        inbox, self._inbox = self._inbox, []
        try:
            for frame in inbox:
                try:
                    opened = self.authenticator.open(frame)
                except (MalformedMessage, AuthenticationFailed):
                    self.unauthentic += 1
                    continue
                self.behaviour.receive(opened, now, wall)
            effects = self.behaviour.settle(now, wall)
            self._look_inside()
        except Exception as error:  # noqa: BLE001 - whatever stops a replica is the judge's business
            self._stop(error)
            return
        self._perform(effects)
        self._set_alarm()

    def report(self) -> ReplicaReport | None:
        """How the process is, None when it is down."""
        return None if self.behaviour is None else self.behaviour.report()

    def describe(self) -> str:
        """One line for people."""
        report = self.report()
        if report is None:
            return f"replica {self.address} is down"
        doubt = "" if self.is_correct else " (a traitor)"
        return (
            f"replica {self.address}{doubt}: {report.status}, view {report.view}, executed {report.last_executed}, "
            f"low watermark {report.low_watermark}, {report.waiting_requests} requests wait"
            f"{', needs a state transfer' if report.needs_state else ''}"
        )

    def _stop(self, error: Exception) -> None:
        """The rules raised. For a correct replica that is a verdict; a traitor falls silent."""
        self.behaviour = None
        self.has_failed = True
        if self.is_correct:
            self._judge.see_failure(self.address, error)

    def _look_inside(self) -> None:
        """Now and then the rules' own invariants, and the bounds of their tables."""
        self._turns += 1
        if self._turns % LOOK_EVERY == 0 and isinstance(self.behaviour, Replica):
            self.behaviour.check_invariants()
            self._judge.check_bounds(self.address, self.behaviour.core)

    def _set_alarm(self) -> None:
        deadline = self.behaviour.next_deadline() if self.behaviour is not None else None
        if deadline is None:
            return
        time = max(self.clock.time_of(deadline), self._world.now + 1)
        if self._alarm is None or time < self._alarm:
            self._alarm = time
            self._world.schedule(time, self._ring)

    def _ring(self) -> None:
        """The next deadline has come, if it was not put off meanwhile."""
        if self._alarm != self._world.now:
            return
        self._alarm = None
        if self.behaviour is None or self._turn_at is not None:
            return
        deadline = self.behaviour.next_deadline()
        if deadline is not None and deadline <= self.clock.monotonic(self._world.now):
            self._plan_turn()
        else:
            self._set_alarm()

    # Effects

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if self.crash_after is not None:
                if self.crash_after == 0:
                    self.crash()
                    return
                self.crash_after -= 1
            self._performers[type(effect)](effect)

    def _broadcast(self, effect: Broadcast) -> None:
        if self.is_correct:
            self._judge.see_sent(self.address, effect.message)
        for peer in self._world.peers_of(self.address):
            self._world.transmit(self.address, peer, effect.frame)

    def _send(self, effect: Send) -> None:
        if self.is_correct:
            self._judge.see_sent(self.address, effect.message)
        self._world.transmit(self.address, effect.receiver, effect.frame)

    def _send_reply(self, effect: SendReply) -> None:
        client = self._world.address_of(effect.message.client)
        if client is not None:
            self._world.transmit(self.address, client, effect.frame)

    def _persist(self, effect: Persist) -> None:
        self._disk.write(effect.record)
        if self.is_correct:
            self._judge.see_persisted(self.address, effect.record)

    def _trace(self, effect: Trace) -> None:
        if self.is_correct:
            self._judge.hear(self.address, effect.event, effect.details)
        self._world.tell_event(self.address, effect)

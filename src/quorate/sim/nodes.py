"""A replica of the simulated world: its process, its disk and its clocks around the real rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from quorate.core.effects import Broadcast, CloseLinks, Effect, Persist, Send, SendReply, Trace
from quorate.core.ports import Opened, Service
from quorate.core.replica import Replica
from quorate.core.report import ReplicaReport
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.records import Record, RecoveryRecord
from quorate.sim.checkers import Judge
from quorate.sim.clock import Clock
from quorate.sim.disk import BitRotFound, Disk
from quorate.sim.plan import ClockPlan
from quorate.sim.remembering import Remembering
from quorate.sim.witness import Witness


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

    def count(self, trouble: str) -> None:
        """Something befell a node that is worth counting."""


LOOK_EVERY: Final = 16
"""How many turns of a correct replica go by between two looks at its insides."""

MakeBehaviour = Callable[["ReplicaNode", Iterable[Record], bool], Behaviour]
"""A process is started: its node, what its disk holds, and whether its votes are lost."""


class Machine(NamedTuple):
    """What a replica's process runs on, and for."""

    service: Callable[[], Service]
    """A new service, empty."""
    clock: ClockPlan
    turn: int
    """How long a turn takes."""
    disk: Disk


class Held(NamedTuple):
    """Effects that wait for the disk, from the one at `first` on."""

    effects: Sequence[Effect]
    first: int


class ReplicaNode:
    """One replica: an address, keys, a disk, clocks, and a process that runs or is down."""

    def __init__(
        self,
        world: Surroundings,
        judge: Judge,
        authenticator: Remembering,
        make: MakeBehaviour,
        machine: Machine,
        is_correct: bool,
    ) -> None:
        self.address = authenticator.replica_id
        self.authenticator = authenticator
        self.is_correct = is_correct
        self.has_failed = False
        self.has_lost_votes = False
        self.stay_alive()
        self.clock = Clock(machine.clock)
        self.service: Witness
        self.behaviour: Behaviour | None = None
        self.incarnation = 0
        self.unauthentic = 0
        self._world = world
        self._judge = judge
        self._make = make
        self._machine = machine
        self.disk = machine.disk
        self._turns = 0
        self._inbox: list[bytes] = []
        self._turn_at: int | None = None
        self._alarm: int | None = None
        self._paused_until = 0
        self._held: Held | None = None
        """The process stands still until its disk has done what it was asked."""
        self._performers: dict[type, Callable[[Any], None]] = {
            Broadcast: self._broadcast,
            Send: self._send,
            SendReply: self._send_reply,
            Persist: self._persist,
            CloseLinks: lambda effect: None,  # nobody has links here: what a revoked client sends still arrives
            Trace: self._trace,
        }

    # The process

    def start(self) -> None:
        """The process starts, from what its disk holds."""
        self.incarnation += 1
        self._world.tell(self.address, "starts" if self.incarnation == 1 else "starts again")
        self._judge.see_start(self.address)
        self.service = Witness(self._machine.service(), self.disk, self.address, self._judge)
        try:
            self.behaviour = self._make(self, self._read_disk(), self.has_lost_votes)
        except Exception as error:  # noqa: BLE001 - as in a turn
            self._stop(error)
        else:
            self._plan_turn()

    def _read_disk(self) -> list[Record]:
        """What the disk holds; nothing, and the votes are lost, when some of it is damaged (DISK-3). If that is only
        the service's state, it begins with none, and the rules notice (DISK-4)."""
        try:
            contents = self.disk.read()
        except BitRotFound as error:
            self._befalls(f"bit rot ({error})")
            self.lose_votes()
            return []
        for record in contents.records if self.is_correct else ():
            self._judge.see_persisted(self.address, record)
        if contents.damage is not None:
            self._befalls(f"state rot ({contents.damage})")
        if contents.state is not None:
            self.service.install(*contents.state)
        return contents.records

    def crash(self, kept: float = 1.0) -> None:
        """The process dies. Of what it wrote and did not sync, this share is on the disk."""
        self.behaviour = self._held = None
        self.stay_alive()
        self._inbox.clear()
        self._world.tell(self.address, "crashes")
        damage = self.disk.crash(kept)
        if damage is not None:
            self._befalls(damage)

    def stay_alive(self) -> None:
        """It is not going to die, as far as anybody knows."""
        self.crash_after: int | None = None
        """The process dies after this many more effects."""
        self.dies_writing = False
        """The process dies when it has written the next record."""
        self.crash_kept = 1.0
        """This share of what is not synced is on the disk when it dies."""

    def lose_votes(self) -> None:
        """The disk is gone, and it is known that it is."""
        self.disk = Disk(Random(self.address))
        self.service = Witness(self._machine.service(), self.disk, self.address, self._judge)
        self.has_lost_votes = True

    def turn_traitor(self) -> None:
        """It is broken into: another program runs with its keys. What that does is nobody's fault any more."""
        self.is_correct = False
        self.crash()
        self._befalls("takeover")
        self.start()

    def recover(self, is_clean: bool) -> None:
        """Its own program runs again, and believes nothing of what was voted here (`quorate recover`)."""
        self.crash()
        if is_clean:
            self.lose_votes()
        self.is_correct = self.has_lost_votes = True
        self.has_failed = False
        self.start()

    def free_disk(self) -> None:
        """There is room on the disk again; what waited for it goes on."""
        self.disk.is_full = False
        held = self._held
        if held is not None and type(held.effects[held.first]) is Persist:
            self._world.schedule(self._world.now, lambda: self._go_on(held))

    def _befalls(self, trouble: str) -> None:
        self._world.count(trouble.partition(" (")[0])
        self._world.tell(self.address, trouble)

    def pause(self, until: int) -> None:
        """The process stands still; what arrives waits."""
        self._paused_until = max(self._paused_until, until)

    def arrive(self, frame: bytes) -> None:
        """The network delivers a frame."""
        if self.behaviour is not None:
            self._inbox.append(frame)
            if self._turn_at is None and self._held is None:
                self._plan_turn()

    def _plan_turn(self) -> None:
        self._turn_at = max(self._world.now + self._machine.turn, self._paused_until)
        self._world.schedule(self._turn_at, self._take_turn)

    def _take_turn(self) -> None:
        """Handle all that came, settle once, and do what the rules want done: a turn of the real event loop."""
        if self._turn_at != self._world.now:
            return
        self._turn_at = None
        if self._paused_until > self._world.now:
            self._plan_turn()
            return
        if self.behaviour is None or self._held is not None:
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
        self._perform(effects, 0)

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

    def _perform(self, effects: Sequence[Effect], first: int) -> None:
        """What stands behind a write is not done before that is synced (DISK-1)."""
        disk, performers = self.disk, self._performers
        for at in range(first, len(effects)):
            effect = effects[at]
            kind = type(effect)
            if kind is Persist and disk.is_full:
                self._befalls("full disk")
                self._held = Held(effects, at)
                return
            if self.crash_after is not None:
                if self.crash_after == 0:
                    self.crash(self.crash_kept)
                    return
                self.crash_after -= 1
            if kind is not Persist and disk.is_dirty and not self._sync(effects, at):
                return
            performers[kind](effect)
            if self.dies_writing and disk.is_dirty:
                self.crash(self.crash_kept)
                return
        self._set_alarm()
        if self._inbox and self._turn_at is None:
            self._plan_turn()

    def _sync(self, effects: Sequence[Effect], at: int) -> bool:
        """Begin to sync, before the effect at this place is done; whether that is over already."""
        duration = self.disk.next_sync()
        if duration == 0:
            self._end_sync()
            return True
        self._world.count("slow sync")
        self._held = held = Held(effects, at)
        self._world.schedule(self._world.now + duration, lambda: self._go_on(held))
        return False

    def _end_sync(self) -> None:
        for record in self.disk.sync():
            self._judge.see_persisted(self.address, record)
            if record == RecoveryRecord(True):
                self.has_lost_votes = False
                self._befalls("recovery")

    def _go_on(self, held: Held) -> None:
        """The disk has done what was asked, unless the process died meanwhile."""
        if self._held is not held:
            return
        if self._paused_until > self._world.now:
            self._world.schedule(self._paused_until, lambda: self._go_on(held))
            return
        effect, self._held = held.effects[held.first], None
        if type(effect) is Persist:
            self._perform(held.effects, held.first)
            return
        self._end_sync()
        self._performers[type(effect)](effect)
        self._perform(held.effects, held.first + 1)

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
        if isinstance(self.behaviour, Replica):
            self.service.tell_oldest(self.behaviour.core.last_executed)
            self._judge.see_sent(self.address, effect.message)
        if (client := self._world.address_of(effect.message.client)) is not None:
            self._world.transmit(self.address, client, effect.frame)

    def _persist(self, effect: Persist) -> None:
        if self.is_correct:
            self.disk.write(effect.record)

    def _trace(self, effect: Trace) -> None:
        if self.is_correct:
            if effect.event == "executed":
                self.service.tell(effect.details["sequence_number"])  # type: ignore[arg-type]
            self._judge.hear(self.address, effect.event, effect.details)
        self._world.tell_event(self.address, effect)

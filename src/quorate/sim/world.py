"""A simulated world: a cluster and its clients in one thread, under virtual time.

One heap holds everything that is going to happen; one random generator, seeded by the plan, decides everything that
the plan leaves open. First a time in which anything may happen (safety), then everything but the traitors heals, and
what is outstanding has to come to an end (liveness).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from typing import Final, NamedTuple, Protocol

from quorate.adversary.registry import make_liar, make_traitor
from quorate.adversary.traitor import Conspiracy, Tools
from quorate.auth.authenticator import ClientAuthenticator
from quorate.core.effects import Trace
from quorate.core.ports import Opened, Service
from quorate.core.quorum import quorums_of
from quorate.core.replica import Replica
from quorate.messages.records import Record
from quorate.services.loading import load_service
from quorate.sim.access import AccessChanges
from quorate.sim.checkers import Judge, Verdict
from quorate.sim.cluster import cluster_of
from quorate.sim.disk import Disk
from quorate.sim.liveness import Pending, check_states, is_rot_hidden, look_for_end
from quorate.sim.network import Network
from quorate.sim.nodes import Behaviour, Machine, ReplicaNode
from quorate.sim.plan import (
    BitRot,
    ClientDeath,
    ClockJump,
    ClockPlan,
    Crash,
    Cut,
    Fault,
    FullDisk,
    MemoryRot,
    Pause,
    Plan,
    SlowDisk,
)
from quorate.sim.register import RegisterService
from quorate.sim.remembering import Remembering
from quorate.sim.samples import Samples, sampler_of
from quorate.sim.service_judge import ServiceJudge
from quorate.sim.takeovers import MovingAdversary
from quorate.sim.workload import ClientNode, Operations, Source, name_of_client

CHECK_EVERY: Final = 50_000
"""How often, in virtual time, the judge looks whether everything has come to an end."""
EVENTS_MAX: Final = 3_000_000
"""More events than any honest run has: something goes round and round."""
ANSWERS_AFTER_HEALING: Final = 2
"""Once the world is healed each client wants so many more answers; all go on asking until the last has got them."""


class Recorder(Protocol):
    """Whoever reads along."""

    def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        """A frame arrives."""

    def note(self, time: int, node: int | None, text: str) -> None:
        """Something happens at a node, or to the whole world."""

    def trace(self, time: int, node: int, effect: Trace) -> None:
        """A replica traced something."""


class Outcome(NamedTuple):
    """How a world ended."""

    verdicts: tuple[Verdict, ...]
    messages: int
    time: int
    views: int
    """The highest view that a correct replica was in."""
    executed: int
    """The highest sequence number that was executed."""
    completed: int
    """Requests of correct clients."""
    fingerprint: str
    """Equal for equal plans, in every process: a hash of every delivery."""
    refusals: dict[str, int]
    """What correct replicas refused, and how often."""
    unauthentic: int
    happened: dict[str, int]
    """What befell disks, and how often."""


Lasting = Cut | Crash | Pause | ClientDeath | SlowDisk | FullDisk | BitRot
"""Faults that begin and end."""

Event = tuple[int, int, Callable[[], None] | None, int, int, bytes]
"""When, a serial number, and what: a call, or a frame from a sender to a receiver."""


class World:
    """Everything of one run. `run` runs it."""

    def __init__(self, plan: Plan, recorder: Recorder | None = None) -> None:
        self.plan = plan
        self.now = 0
        self.messages = 0
        self.recorder = recorder
        self.quorums = quorums_of(plan.replicas)
        self._random = Random(plan.seed)
        self._peers = [[at for at in range(plan.replicas) if at != own] for own in range(plan.replicas)]
        self._heap: list[Event] = []
        self._serial = 0
        self._is_healed = False
        self._end: Pending | None = Pending(())
        self._fingerprint = blake2b(digest_size=16)
        self.happened: Counter[str] = Counter()
        """What befell disks, and how often."""
        self._cluster = cluster_of(plan)
        self._liars = {traitor.replica: traitor.strategies for traitor in plan.traitors}
        self._conspiracy = Conspiracy()
        self._sample = sampler_of(plan.service) if plan.service else None
        self._known_frames: dict[bytes, Opened] = {}
        self.judge = self._make_judge()
        self.network = Network(plan.network, plan.replicas + len(plan.clients), self._random)
        self.replicas = [self._replica_node(replica) for replica in range(plan.replicas)]
        self.clients = [self._client_node(at) for at in range(len(plan.clients))]
        self._adversary = MovingAdversary(self, plan.takeovers, self.replicas, self.judge, self._conspiracy)
        self._receivers = [node.arrive for node in self.replicas] + [node.arrive for node in self.clients]
        self._addresses = {client.public_key: client.address for client in self.clients}

    # What nodes see of it

    def schedule(self, time: int, action: Callable[[], None]) -> None:
        """Let something happen then."""
        self._serial += 1
        heappush(self._heap, (time, self._serial, action, 0, 0, b""))

    def peers_of(self, replica: int) -> list[int]:
        """The other replicas."""
        return self._peers[replica]

    def transmit(self, sender: int, receiver: int, frame: bytes) -> None:
        """Hand a frame to the network."""
        for arrival in self.network.arrivals(sender, receiver, self.now):
            self._serial += 1
            heappush(self._heap, (arrival, self._serial, None, sender, receiver, frame))

    def address_of(self, client: bytes) -> int | None:
        """Where a client is."""
        return self._addresses.get(client)

    def tell(self, node: int | None, text: str) -> None:
        """Something for whoever reads the trace."""
        if self.recorder is not None:
            self.recorder.note(self.now, node, text)

    def tell_event(self, node: int, event: Trace) -> None:
        """What a replica traced, for whoever reads the trace."""
        if self.recorder is not None:
            self.recorder.trace(self.now, node, event)

    def count(self, trouble: str) -> None:
        """Something befell a node that is worth counting."""
        self.happened[trouble] += 1

    # The run

    def run(self) -> Outcome:
        """Run the world to its end."""
        self.start()
        for fault in self.plan.faults:
            self._schedule_fault(fault)
        AccessChanges(self, self.plan, self._cluster, self.replicas).ask()
        self._adversary.start()
        self.schedule(self.plan.safety, self._heal)
        self.advance()
        if not self.judge.verdicts:
            self.judge.check_histories()
            check_states(self.replicas, self.judge)
        return self._outcome()

    def start(self) -> None:
        """All processes start."""
        for node in self.replicas:
            node.start()
        for client in self.clients:
            client.start()

    def advance(self, until: int | None = None) -> None:
        """Let happen what happens up to and including the instant *until*, or up to the end of everything."""
        heap, judge, update = self._heap, self.judge, self._fingerprint.update
        receivers, recorder = self._receivers, self.recorder
        while heap and self._end is not None and (until is None or heap[0][0] <= until):
            self.now, serial, action, sender, receiver, frame = heappop(heap)
            if action is not None:
                action()
            else:
                self.messages += 1
                update(b"%d %d %d " % (self.now, sender, receiver))
                update(frame)
                if recorder is not None:
                    recorder.deliver(self.now, sender, receiver, frame)
                receivers[receiver](frame)
            if judge.verdicts:
                return
            if serial > EVENTS_MAX:
                judge.accuse("quiet", f"more than {EVENTS_MAX} events: something goes round and round")
        self.now = self.now if until is None else until

    def _heal(self) -> None:
        """Nothing goes wrong from here on, but for the traitors; everyone who can be there is there."""
        self._is_healed = True
        self._adversary.rest()
        self.tell(None, "everything heals")
        self.network.heal()
        for node in self.replicas:
            self._restart(node)
            node.disk.longest_sync = self._longest_sync(node.address)
            node.free_disk()
        for client in self.clients:
            client.start()
            client.go_on(ANSWERS_AFTER_HEALING)
        self._check()

    def _check(self) -> None:
        """Has everything come to an end? Later than the plan's limit it is a verdict that it has not."""
        self._end = look_for_end(self.replicas, self.clients, self.judge)
        is_hidden = any(map(is_rot_hidden, self.replicas))
        if not is_hidden and all(client.is_done for client in self.clients if client.is_correct):
            for client in self.clients:
                client.stop()
        if self._end is not None:
            if self.now >= self.plan.safety + self.plan.liveness:
                self.judge.accuse("liveness", self._end.describe())
            self.schedule(self.now + CHECK_EVERY, self._check)

    def _outcome(self) -> Outcome:
        correct = [node for node in self.replicas if node.is_correct]
        return Outcome(
            verdicts=tuple(self.judge.verdicts),
            messages=self.messages,
            time=self.now,
            views=self.judge.highest_view,
            executed=self.judge.last_executed,
            completed=sum(client.completed for client in self.clients if client.is_correct),
            fingerprint=self._fingerprint.hexdigest(),
            refusals=dict(self.judge.refusals),
            unauthentic=sum(node.unauthentic for node in correct),
            happened=dict(self.happened),
        )

    # Its nodes

    def _new_service(self) -> Service:
        return load_service(self.plan.service) if self.plan.service else RegisterService()

    def _make_judge(self) -> Judge:
        keys, plan, faults = self._cluster.client_keys, self.plan, self.quorums.faults
        replicas = set(range(plan.replicas)) - set(self._liars)
        clients = {keys[at].public_key for at, client in enumerate(plan.clients) if not client.strategies}
        if plan.service:
            return ServiceJudge(plan.service, self._new_service, replicas, clients, faults)
        return Judge(replicas, clients, faults)

    def _replica_node(self, replica: int) -> ReplicaNode:
        plan = self.plan
        machine = Machine(
            self._new_service,
            plan.clocks[replica] if replica < len(plan.clocks) else ClockPlan(),
            plan.turns[replica] if replica < len(plan.turns) else 0,
            Disk(Random(f"{plan.seed} disk {replica}"), self._longest_sync(replica)),
        )
        known = Remembering(self._cluster.authenticator(replica), self._known_frames)
        return ReplicaNode(self, self.judge, known, self._behave, machine, replica not in self._liars)

    def _longest_sync(self, replica: int) -> int:
        return self.plan.syncs[replica] if replica < len(self.plan.syncs) else 0

    def _behave(self, node: ReplicaNode, records: Iterable[Record], lost_votes: bool) -> Behaviour:
        """The process of a replica: the real rules, in a traitor's case with strategies around them."""
        configuration = self._cluster.configuration
        strategies = self._liars.get(node.address) or self._adversary.strategies.get(node.address)
        entropy = Random(f"{self.plan.seed} entropy {node.address} {node.incarnation}").randbytes
        # The session keys of an earlier process ended with that.
        authenticator = Remembering(self._cluster.authenticator(node.address), self._known_frames)
        node.authenticator = authenticator
        if strategies is None:
            life = (node.address, configuration, node.service, authenticator, records, lost_votes)
            return Replica(*life, entropy=entropy)

        def honest() -> Replica:
            service, contents = self._new_service(), node.disk.read()
            if contents.state is not None:
                service.install(*contents.state)
            return Replica(node.address, configuration, service, authenticator, contents.records, entropy=entropy)

        tools = Tools(node.address, authenticator, configuration, self._random, self._conspiracy)
        return make_traitor(strategies, tools, honest)

    def _client_node(self, at: int) -> ClientNode:
        plan = self.plan.clients[at]
        authenticator = ClientAuthenticator(self._cluster.client_keys[at], self._cluster.configuration)
        liar = None
        configuration = self._cluster.configuration
        if plan.strategies:
            liar = make_liar(plan.strategies, authenticator, configuration, self._random, self._conspiracy)
        random = Random(f"{self.plan.seed} client {at}")
        if self._sample is None:
            source: Source = Operations(name_of_client(at), plan, random, Random(f"{self.plan.seed} sizes {at}"))
        else:
            source = Samples(self._sample, plan, random, self._new_service().only_reads)
        address = self.plan.replicas + at
        return ClientNode(self, self.judge, address, authenticator, configuration, plan, random, source, liar)

    # Faults

    def _schedule_fault(self, fault: Fault) -> None:
        match fault:
            case Cut():
                self._between(fault, lambda: self.network.cut(fault.links), lambda: self.network.mend(fault.links))
            case Crash():
                node = self.replicas[fault.replica]
                self._between(fault, lambda: self._crash(node, fault), lambda: self._restart(node))
            case Pause():
                node = self.replicas[fault.replica]
                self._between(fault, lambda: node.pause(fault.until), lambda: None)
            case SlowDisk():
                node = self.replicas[fault.replica]
                self._between(fault, lambda: self._slow_down(node, fault.longest), lambda: self._slow_down(node))
            case FullDisk():
                node = self.replicas[fault.replica]
                self._between(fault, lambda: self._fill(node), node.free_disk)
            case BitRot():
                node = self.replicas[fault.replica]
                self._between(fault, lambda: self._rot(node, fault.place), lambda: self._restart(node))
            case ClientDeath():
                client = self.clients[fault.client]
                self._between(fault, client.die, client.start)
            case ClockJump():
                self.schedule(fault.at, lambda: self.replicas[fault.replica].clock.jump(fault.by))
            case MemoryRot():
                self.schedule(fault.at, lambda: self._rot_memory(self.replicas[fault.replica], fault))

    def _between(self, fault: Lasting, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """A fault begins and ends, unless the world is healed before."""

        def guarded(action: Callable[[], None], verb: str) -> Callable[[], None]:
            def act() -> None:
                if not self._is_healed:
                    self.tell(None, f"{type(fault).__name__} {verb}: {fault}")
                    action()

            return act

        self.schedule(fault.at, guarded(begin, "begins"))
        self.schedule(fault.until, guarded(end, "ends"))

    def _crash(self, node: ReplicaNode, fault: Crash) -> None:
        if node.behaviour is None:
            return
        if fault.loses_votes:
            node.crash()
            node.lose_votes()
            return
        node.crash_kept = fault.kept
        if fault.while_writing:
            node.dies_writing = True
        elif fault.effects is None:
            node.crash(fault.kept)
        else:
            node.crash_after = fault.effects

    def _rot(self, node: ReplicaNode, place: float) -> None:
        if node.behaviour is not None:
            node.crash()
        node.disk.rot(place)

    def _rot_memory(self, node: ReplicaNode, fault: MemoryRot) -> None:
        if node.behaviour is not None and node.is_correct and node.service.rot(fault.kind, fault.place):
            self.count("memory rot")
            self.tell(node.address, f"its memory rots: {fault}")

    def _slow_down(self, node: ReplicaNode, longest: int = 0) -> None:
        node.disk.longest_sync = max(longest, self._longest_sync(node.address))

    def _fill(self, node: ReplicaNode) -> None:
        node.disk.is_full = True

    def _restart(self, node: ReplicaNode) -> None:
        node.stay_alive()
        if node.behaviour is None and not node.has_failed:
            node.start()

"""What will happen in a simulated world: a value that is drawn from a seed, written to a file and made smaller.

A plan says everything that does not follow from the run itself: the cluster and its settings, how the network and the
clocks behave, which faults strike when, who lies how, and what the clients do. All times are whole microseconds of
virtual time. Nodes have addresses: replicas 0 to n - 1, then the clients.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from quorate.config import Settings

RotKind = Literal["value", "key", "digest"]
"""What rots in a memory: the value of a key, a key, which is gone then, or a digest in the tree above them."""


class SatellitePlan(Struct, frozen=True):
    """One site is reached over a satellite: every message to it and from it goes up and down."""

    nodes: tuple[int, ...]
    """Who is at the site."""
    delay: int = 270_000
    jitter: int = 30_000
    """It takes up to that much longer."""
    loss: float = 0.0


class NetworkPlan(Struct, frozen=True):
    """How links behave while anything may happen. After healing nothing is lost, duplicated or late."""

    delay: int = 100
    """The least delay of a message between any two nodes."""
    spread: int = 400
    """What comes on top of it: without a tail, uniform up to this; with one, log-normal around this median."""
    tail: float = 0.0
    """The sigma of the log-normal delay: with 1, one message in a thousand takes twenty times the median."""
    distances: tuple[int, ...] = ()
    """The place of each node on a line, in microseconds: a pair's distance is added to its delay. Empty: one room."""
    straggler_share: float = 0.0
    straggler_delay: int = 0
    """This share of the messages is late by up to that much more."""
    loss: float = 0.0
    duplication: float = 0.0
    duplicate_delay: int = 0
    """A second copy comes up to that much later."""
    in_order: bool = False
    """Whether the messages of a link stay in order, as TCP keeps them."""
    satellite: SatellitePlan | None = None
    kind: str = "room"
    """What people call it."""


class ClockPlan(Struct, frozen=True):
    """A node's clocks: how far its wall clock is off, and how fast both run."""

    offset: int = 0
    drift: int = 0
    """Parts in a million."""


class Cut(Struct, frozen=True, tag=True):
    """The messages of these links (sender, receiver) are lost for a while."""

    at: int
    until: int
    name: str
    links: tuple[tuple[int, int], ...]


class Crash(Struct, frozen=True, tag=True):
    """A replica's process ends, and starts again later."""

    at: int
    until: int
    replica: int
    effects: int | None = None
    """It dies after this many effects of its next turn; None: at once."""
    loses_votes: bool = False
    """Its storage is memory: it starts again from nothing, and counts as one of the f."""
    while_writing: bool = False
    """It dies when it has written the next record, before that is synced, whatever `effects` says."""
    kept: float = 1.0
    """This share of the bytes that it wrote and did not sync is on the disk: with less than all, its last records are
    gone, or the record at the end is half there."""


class Pause(Struct, frozen=True, tag=True):
    """A replica's process stops and goes on later (SIGSTOP, a long garbage collection): what arrives waits for it."""

    at: int
    until: int
    replica: int


class ClockJump(Struct, frozen=True, tag=True):
    """A replica's wall clock is set."""

    at: int
    replica: int
    by: int


class ClientDeath(Struct, frozen=True, tag=True):
    """A client's process dies with its request under way, and comes back as a new session."""

    at: int
    until: int
    client: int


class SlowDisk(Struct, frozen=True, tag=True):
    """Each sync of a replica's disk takes up to that long, and what depends on it waits."""

    at: int
    until: int
    replica: int
    longest: int


class FullDisk(Struct, frozen=True, tag=True):
    """A replica's disk takes nothing more for a while."""

    at: int
    until: int
    replica: int


class BitRot(Struct, frozen=True, tag=True):
    """A replica's process ends, and one bit of what it keeps changes before it starts again: it has lost its votes, and
    counts as one of the f."""

    at: int
    until: int
    replica: int
    place: float
    """Where, as a share of all that is stored."""


class MemoryRot(Struct, frozen=True, tag=True):
    """Something that a running replica's service holds changes behind its back. The replica is one of the f until it
    has found that and fetched what was there. Only registers rot: nobody knows another service from inside."""

    at: int
    replica: int
    kind: RotKind
    place: float
    """Where, as a share of all that may rot so."""


Fault = Cut | Crash | Pause | ClockJump | ClientDeath | SlowDisk | FullDisk | BitRot | MemoryRot


def name_of(fault: Fault) -> str:
    """What a report calls a fault."""
    match fault:
        case Cut():
            return f"partition, {fault.name}"
        case Crash():
            if fault.loses_votes:
                return "crash, votes lost"
            tail = "" if fault.kept == 1 else ", lost tail" if fault.kept == 0 else ", torn write"
            when = "" if fault.effects is None else " between effects"
            return f"crash{' while writing' if fault.while_writing else when}{tail}"
        case Pause():
            return "pause"
        case ClockJump():
            return "clock jump"
        case ClientDeath():
            return "client death"
        case SlowDisk():
            return "slow disk"
        case FullDisk():
            return "full disk"
        case BitRot():
            return "bit rot"
        case MemoryRot():
            return f"memory rot, {fault.kind}"


class TraitorPlan(Struct, frozen=True):
    """A replica that lies: its strategies, by name, in the order in which they are put around the honest replica."""

    replica: int
    strategies: tuple[str, ...]


class Takeover(Struct, frozen=True):
    """A replica is broken into, lies for a while, and then recovers. One after the other, as soon as may be: the next
    one begins when the last one has recovered."""

    replica: int
    strategies: tuple[str, ...]
    duration: int
    """How long it lies; the first takeover begins after as long."""
    is_clean: bool
    """Whether it recovers from an empty disk; else from what it had on it when it was broken into."""


class ClientPlan(Struct, frozen=True):
    """What one client process does: requests one after the other, each of one or more operations."""

    requests: int = 10
    operations_max: int = 1
    keys: int = 2
    think: int = 2000
    """The longest pause between two requests."""
    strategies: tuple[str, ...] = ()
    """How it lies; an honest client has none."""
    large_share: float = 0.0
    """How many of its operations have large values: their results are sent as digests."""
    queries: bool = False
    """Whether it asks by the read-only path for what only reads."""


class AccessChange(Struct, frozen=True):
    """A client is let in, which the cluster does not know at first, or shut out."""

    at: int
    client: int
    is_revoked: bool


class Plan(Struct, frozen=True):
    """A world, before it runs. Equal plans run equally, in every process."""

    seed: int
    profile: str
    replicas: int
    settings: Settings
    network: NetworkPlan
    clients: tuple[ClientPlan, ...]
    clocks: tuple[ClockPlan, ...] = ()
    turns: tuple[int, ...] = ()
    """How long a turn of each replica takes: what arrives meanwhile is handled in the next one."""
    syncs: tuple[int, ...] = ()
    """How long a sync of each replica's disk takes at most."""
    faults: tuple[Fault, ...] = ()
    traitors: tuple[TraitorPlan, ...] = ()
    takeovers: tuple[Takeover, ...] = ()
    """What an adversary that moves does: one replica at a time, which is one of the f."""
    safety: int = 1_000_000
    """How long anything may happen. Then faults end, except the traitors', and everything has to come to an end."""
    liveness: int = 60_000_000
    """How long that may take at most."""
    access: tuple[AccessChange, ...] = ()
    """What the first client, an administrator then, changes of the access table, one change after the other."""
    service: str = ""
    """The replicated service, as `quorate up --service` takes it; registers when there is none."""


def liars_of(plan: Plan) -> tuple[TraitorPlan | Takeover, ...]:
    """The replicas that lie, some of them for a while."""
    return (*plan.traitors, *plan.takeovers)


def troubles_of(plan: Plan) -> set[str]:
    """What goes wrong in a world, but for the network and for lies, by name."""
    drift = {"clock drift"} if any(clock.drift for clock in plan.clocks) else set()
    offset = {"wrong clock"} if any(clock.offset for clock in plan.clocks) else set()
    slow = {"slow process"} if any(plan.turns) else set()
    return {name_of(fault) for fault in plan.faults} | drift | offset | slow


def encode_plan(plan: Plan) -> bytes:
    """A plan as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2)


def decode_plan(data: bytes) -> Plan:
    """The plan in a file. Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Plan)

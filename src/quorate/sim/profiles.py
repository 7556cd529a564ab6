"""Profiles: what kind of trouble a seed draws. A plan follows from (seed, profile, number of replicas) alone.

Every profile stays within what the protocol promises: traitors and replicas without their votes are f together, and
everything but the traitors heals.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from msgspec.structs import replace

from quorate.adversary.registry import DRAWN_STRATEGIES, DRAWN_STRATEGIES_OF_CLIENTS, RECOVERY_STRATEGIES
from quorate.config import Settings
from quorate.core.quorum import quorums_of
from quorate.sim.large import enlarged
from quorate.sim.network import one_way_cut, star_cut, two_way_cut
from quorate.sim.networks import draw_network
from quorate.sim.plan import (
    AccessChange,
    BitRot,
    ClientDeath,
    ClientPlan,
    ClockJump,
    ClockPlan,
    Crash,
    Cut,
    Fault,
    FullDisk,
    Pause,
    Plan,
    SlowDisk,
    Takeover,
    TraitorPlan,
)
from quorate.sim.reading import with_reads
from quorate.sim.rot import draw_rots

SECOND: Final = 1_000_000
MILLISECOND: Final = 1_000


class Profile(NamedTuple):
    """Which kinds of trouble there are, and what the profile is for."""

    purpose: str
    networks: tuple[str, ...] = ("room",)
    faults: tuple[str, ...] = ()
    traitors: bool = False
    liars: bool = False
    odd_clocks: bool = False
    odd_disks: bool = False
    """Syncs take time, and a crash leaves a part of what was not synced."""
    faults_max: int = 6
    access: bool = False
    """A client is let in while it asks already, and those that lie are shut out."""
    takeovers: bool = False
    """An adversary moves from replica to replica; session keys are refreshed."""
    rot: bool = False
    """The memory of replicas rots while they run."""


PROFILES: Final[dict[str, Profile]] = {
    "calm": Profile(
        "nothing goes wrong; the network is a room, a country, the globe, a busy WAN, or has a site behind a satellite",
        ("room", "country", "globe", "busy", "satellite"),
    ),
    "lossy": Profile("messages get lost, come late, twice and in any order", ("rough", "stormy")),
    "partitions": Profile("two-way, one-way and star partitions come and go", ("room", "rough"), ("cut",)),
    "crashes": Profile(
        "replicas crash between any two effects, lose votes, pause; disks tear, rot, are slow or full; clients die",
        ("room", "rough"),
        ("crash", "pause", "client death", "slow disk", "full disk", "bit rot"),
        odd_disks=True,
        faults_max=8,
    ),
    "clocks": Profile("clocks are wrong, drift and jump", ("room", "rough"), ("clock jump", "pause"), odd_clocks=True),
    "traitors": Profile(
        "f replicas lie; the network works, but correct ones pause", ("room", "country"), ("pause",), True
    ),
    "impatient": Profile("time-outs are far too short for the network", ("country", "globe", "busy"), ("pause",)),
    "churn": Profile(
        "f replicas lie, and views change all the time",
        ("room", "country"),
        ("cut", "pause", "crash"),
        True,
        faults_max=40,
    ),
    "liars": Profile("clients lie", ("room", "rough"), liars=True),
    "everything": Profile(
        "all of it at once",
        ("room", "rough", "stormy", "country", "busy", "satellite"),
        ("cut", "crash", "pause", "clock jump", "client death", "slow disk", "full disk", "bit rot"),
        traitors=True,
        liars=True,
        odd_clocks=True,
        odd_disks=True,
    ),
    "access": Profile(
        "clients are let in and shut out; f replicas lie, also in the names of clients that were shut out",
        ("room", "rough"),
        ("pause", "crash"),
        traitors=True,
        liars=True,
        access=True,
    ),
    "takeovers": Profile(
        "an adversary breaks into a replica, and into another when that has recovered; keys are refreshed",
        ("room", "room", "rough"),
        ("pause", "cut", "crash"),
        traitors=True,
        takeovers=True,
    ),
    "rot": Profile(
        "the memory of replicas rots while they run; others lie when f is more than one",
        ("room", "rough", "country"),
        ("crash", "pause", "cut", "slow disk", "full disk", "bit rot"),
        traitors=True,
        odd_disks=True,
        rot=True,
    ),
}
TIMEOUTS: Final = {"country": 400, "globe": 2000, "busy": 1000, "satellite": 2000}
"""Milliseconds until a view change, where messages are on their way for long."""
MIXED: Final = "mixed"
"""Each seed draws one of the above, but not `access`, `takeovers` nor `rot`, which came later: seeds keep their
worlds."""


def draw_plan(
    seed: int,
    profile: str = MIXED,
    replicas: int = 4,
    strategies: tuple[str, ...] = (),
    service: str = "",
    reads: bool | None = None,
) -> Plan:
    """The plan of a seed. With *strategies* every traitor of the plan lies in just these ways; *reads*: whether the
    read-only path is on, if that is not left to the seed."""
    random = Random(f"{seed} {profile} {replicas}")
    mixed = sorted(name for name, known in PROFILES.items() if not (known.access or known.takeovers or known.rot))
    chosen = random.choice(mixed) if profile == MIXED else profile
    plan = _Draw(random, PROFILES[chosen], replicas, strategies).plan(seed, chosen)
    plan = enlarged(plan, service, Random(f"{seed} {profile} {replicas} large"))
    return with_reads(plan, Random(f"{seed} {profile} {replicas} reads"), reads, not strategies)


class _Draw:
    """One plan on its way."""

    def __init__(self, random: Random, profile: Profile, replicas: int, strategies: tuple[str, ...]) -> None:
        self.random = random
        self.strategies = strategies
        self.profile = profile
        self.replicas = replicas
        self.quorums = quorums_of(replicas)
        self.safety = random.choice((1, 2, 4)) * SECOND
        self.may_fail = self.quorums.faults
        """How many more replicas may lie or lose their votes."""

    def plan(self, seed: int, profile: str) -> Plan:
        random = self.random
        network = random.choice(self.profile.networks)
        clients = self._clients()
        takeovers = self._takeovers() if self.profile.takeovers else ()
        self.may_fail -= bool(takeovers)
        rotting = random.randint(1, self.may_fail) if self.profile.rot else 0
        self.may_fail -= rotting
        traitors = self._traitors() if self.profile.traitors and self.may_fail else ()
        self.may_fail -= len(traitors)
        takeovers = tuple(one for one in takeovers if one.replica not in {traitor.replica for traitor in traitors})
        turned = {traitor.replica for traitor in traitors}
        self.trusted = [replica for replica in range(self.replicas) if replica not in turned]
        self.clients_count = len(clients)
        rots = draw_rots(random, random.sample(self.trusted, rotting), self.safety) if rotting else ()
        settings = self._settings(network, profile)
        # f bad primaries one after the other, each with the longest time-out, and views to spare.
        liveness = (self.quorums.faults + 3) * settings.view_change_timeout_max_ms * MILLISECOND + 10 * SECOND
        return Plan(
            seed=seed,
            profile=profile,
            replicas=self.replicas,
            settings=self._short_lived(settings) if self.profile.takeovers else settings,
            network=draw_network(random, network, self.replicas, self.replicas + len(clients)),
            clients=clients,
            clocks=self._clocks() if self.profile.odd_clocks else (),
            turns=tuple(random.choice((0, 0, 20, 200, 2000)) for _ in range(self.replicas)),
            syncs=self._syncs() if self.profile.odd_disks else (),
            faults=tuple(sorted((*self._faults(), *rots), key=lambda fault: fault.at)),
            traitors=traitors,
            takeovers=takeovers,
            safety=self.safety,
            liveness=liveness,
            access=self._access(clients) if self.profile.access else (),
        )

    def _access(self, clients: tuple[ClientPlan, ...]) -> tuple[AccessChange, ...]:
        """An honest client that is not the administrator is let in; clients that lie are shut out."""
        newcomers = [at for at, client in enumerate(clients) if at and not client.strategies][:1]
        liars = [at for at, client in enumerate(clients) if client.strategies]
        changes = [(at, False) for at in newcomers] + [(at, True) for at in liars]
        self.random.shuffle(changes)
        # Early: much has to happen behind a revocation.
        dues = sorted(self.random.randrange(self.safety // 4) for _ in changes)
        return tuple(AccessChange(due, at, is_revoked) for due, (at, is_revoked) in zip(dues, changes, strict=True))

    def _settings(self, network: str, profile: str) -> Settings:
        random = self.random
        timeout = TIMEOUTS.get(network, random.choice((50, 150, 400)))
        if profile in ("impatient", "churn"):
            timeout = random.choice((5, 20, 50))
        return Settings(
            recovery_pause_ms=100,
            checkpoint_interval=random.choice((1, 2, 4, 8, 16, 64)),
            request_authentication="signature" if random.random() < 0.15 else "mac",
            replica_authentication="signature" if random.random() < 0.15 else "mac",
            view_change_timeout_ms=timeout,
            view_change_timeout_max_ms=max(8 * timeout, 3200),
            status_interval_ms=random.choice((20, 50, 100)),
            clock_skew_ms=random.choice((100, 1000, 5000)),
            batch_requests_max=random.choice((1, 2, 16, 256)),
            batches_in_flight=random.choice((1, 2, 4, 8)),
            sessions_per_client=random.choice((1, 2, 64)),
            read_only_path=False,
        )

    def _short_lived(self, settings: Settings) -> Settings:
        """Recoveries come to an end soon, and so do session keys."""
        return replace(
            settings,
            checkpoint_interval=min(settings.checkpoint_interval, 8),
            key_refresh_ms=settings.status_interval_ms * self.random.choice((0, 10, 40)),
        )

    def _clocks(self) -> tuple[ClockPlan, ...]:
        random = self.random
        offsets = (0, 50 * MILLISECOND, 3 * SECOND)
        return tuple(
            ClockPlan(random.choice((-1, 1)) * random.choice(offsets), random.randint(-500, 500))
            for _ in range(self.replicas)
        )

    def _syncs(self) -> tuple[int, ...]:
        return tuple(self.random.choice((0, 0, 200, 2 * MILLISECOND)) for _ in range(self.replicas))

    def _clients(self) -> tuple[ClientPlan, ...]:
        random = self.random
        keys = random.choice((1, 2, 4))
        honest = tuple(
            ClientPlan(
                requests=random.choice((5, 20, 60)),
                operations_max=random.choice((1, 1, 4)),
                keys=keys,
                think=random.choice((0, 2 * MILLISECOND, 50 * MILLISECOND)),
            )
            for _ in range(random.randint(2, 5))
        )
        if not self.profile.liars:
            return honest
        names = DRAWN_STRATEGIES_OF_CLIENTS
        liars = tuple(
            ClientPlan(20, 2, keys, 10 * MILLISECOND, tuple(random.sample(names, random.choice((1, 1, 2)))))
            for _ in range(random.randint(1, 2))
        )
        return honest + liars

    def _traitors(self) -> tuple[TraitorPlan, ...]:
        random = self.random
        names = [name for name in DRAWN_STRATEGIES if self.profile.takeovers or name not in RECOVERY_STRATEGIES]
        replicas = random.sample(range(self.replicas), random.randint(1, self.may_fail))
        if 0 not in replicas and random.random() < 0.5:
            replicas[0] = 0  # primaries are where most lies matter
        elif 1 not in replicas and random.random() < 0.3:
            replicas[-1] = 1
        return tuple(
            TraitorPlan(replica, self.strategies or tuple(random.sample(names, random.choice((1, 1, 2, 3)))))
            for replica in replicas
        )

    def _takeovers(self) -> tuple[Takeover, ...]:
        """Through all replicas, some of them twice: as far as the time allows."""
        random = self.random
        self.safety *= 2
        replicas = random.sample(range(self.replicas), self.replicas) + random.choices(range(self.replicas), k=2)
        return tuple(
            Takeover(
                replica,
                self.strategies
                or (
                    random.choice(RECOVERY_STRATEGIES),
                    *random.sample(DRAWN_STRATEGIES, random.choice((0, 1, 1, 2))),
                ),
                random.choice((100, 300, 600)) * MILLISECOND,
                random.random() < 0.5,
            )
            for replica in replicas
        )

    def _faults(self) -> tuple[Fault, ...]:
        drawers: dict[str, Callable[[int, int], Fault | None]] = {
            "cut": self._cut,
            "crash": self._crash,
            "pause": self._pause,
            "clock jump": self._clock_jump,
            "client death": self._client_death,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "bit rot": self._bit_rot,
        }
        faults: list[Fault] = []
        for _ in range(self.random.randint(0, self.profile.faults_max) if self.profile.faults else 0):
            kind = self.random.choice(self.profile.faults)
            # Disks matter while something is written: half of the faults come early, when every client is busy.
            early = self.profile.odd_disks and self.random.random() < 0.5
            at = self.random.randrange(self.safety // 10 if early else self.safety)
            longest = self.safety if self.profile.faults_max <= 6 else at + 5 * self.safety // self.profile.faults_max
            until = self.random.randint(at, max(at, min(self.safety, longest)))
            fault = drawers[kind](at, until)
            if fault is not None:
                faults.append(fault)
        return tuple(faults)

    def _cut(self, at: int, until: int) -> Fault:
        random = self.random
        nodes = list(range(self.replicas + self.clients_count))
        random.shuffle(nodes)
        middle = random.randint(1, len(nodes) - 1)
        here, there = nodes[:middle], nodes[middle:]
        match random.choice(("two-way", "one-way", "star", "one")):
            case "two-way":
                return Cut(at, until, "two-way", two_way_cut(here, there))
            case "one-way":
                return Cut(at, until, "one-way", one_way_cut(here, there))
            case "star":
                return Cut(at, until, "star", star_cut(random.randrange(self.replicas), self.replicas))
            case _:
                alone = random.randrange(self.replicas)
                return Cut(at, until, "one alone", two_way_cut([alone], [node for node in nodes if node != alone]))

    def _crash(self, at: int, until: int) -> Fault:
        replica = self.random.choice(self.trusted)
        loses_votes = self.may_fail > 0 and self.random.random() < 0.2
        if loses_votes:
            self._give_up(replica)
        effects = self.random.choice((None, 0, 1, 2, 3, 5, 8))
        if not self.profile.odd_disks:
            return Crash(at, until, replica, effects, loses_votes)
        kept = self.random.choice((0.0, 1.0, self.random.random()))
        return Crash(at, until, replica, effects, loses_votes, self.random.random() < 0.5, kept)

    def _give_up(self, replica: int) -> None:
        """It loses its votes, so it is one of the f."""
        self.may_fail -= 1
        self.trusted.remove(replica)

    def _slow_disk(self, at: int, until: int) -> Fault:
        longest = self.random.choice((5, 50, 300)) * MILLISECOND
        return SlowDisk(at, until, self.random.choice(self.trusted), longest)

    def _full_disk(self, at: int, until: int) -> Fault:
        return FullDisk(at, until, self.random.choice(self.trusted))

    def _bit_rot(self, at: int, until: int) -> Fault | None:
        if self.may_fail == 0:
            return None
        replica = self.random.choice(self.trusted)
        self._give_up(replica)
        return BitRot(at, until, replica, self.random.random())

    def _pause(self, at: int, until: int) -> Fault:
        first = self.trusted[0]  # most often the primary
        return Pause(at, until, self.random.choice((first, self.random.choice(self.trusted))))

    def _clock_jump(self, at: int, until: int) -> Fault:
        by = self.random.choice((-1, 1)) * self.random.choice((MILLISECOND, SECOND, 3600 * SECOND))
        return ClockJump(at, self.random.choice(self.trusted), by)

    def _client_death(self, at: int, until: int) -> Fault:
        return ClientDeath(at, until, self.random.randrange(self.clients_count))

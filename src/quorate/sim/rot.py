"""Memory that rots: what a service holds changes behind its back, and can be looked at as nothing else looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final, get_args

from quorate.core.ports import Service
from quorate.messages.tree import DIGEST_SIZE, NodeKind, Path, child_digests, kind_of_node
from quorate.sim.plan import MemoryRot, RotKind
from quorate.sim.register import SHAPE, RegisterService

KINDS: Final[tuple[RotKind, ...]] = get_args(RotKind)
FINDS: Final = ("state-damaged", "state-diverged")
"""What a replica traces that has found damage."""
TIMES_MAX: Final = 3
"""How often the memory of one replica rots."""


def draw_rots(random: Random, replicas: list[int], safety: int) -> tuple[MemoryRot, ...]:
    """The memory of these replicas rots now and then."""
    return tuple(
        MemoryRot(random.randrange(safety), replica, random.choice(KINDS), random.random())
        for replica in replicas
        for _ in range(random.randint(1, TIMES_MAX))
    )


def damage(service: RegisterService, kind: RotKind, place: float) -> bool:
    """Damage what a service holds, behind its back; whether there is anything yet that can rot so."""
    table = service._table
    if kind == "digest":
        return _damage_digest(table._tree._levels[-1], place)
    keys = sorted(table._values)
    if not keys:
        return False
    key = keys[int(place * len(keys))]
    if kind == "value":
        table._values[key] = b"rotten"
    else:
        del table._values[key]
    return True


def _damage_digest(nodes: dict[int, bytes], place: float) -> bool:
    """In one of these inner nodes; of empty leaves, too, they hold digests."""
    if not nodes:
        return False
    at = int(place * len(nodes) * SHAPE.fanout)
    number = sorted(nodes)[at // SHAPE.fanout]
    node = bytearray(nodes[number])
    node[at % SHAPE.fanout * DIGEST_SIZE] ^= 1
    nodes[number] = bytes(node)
    return True


class Rotten:
    """The replicas whose memory is not what they think."""

    def __init__(self) -> None:
        self.replicas: set[int] = set()
        self.repaired: set[int] = set()
        """Those of them that have fetched what rotted, and have not said so yet."""
        self.found: set[int] = set()
        """Those that said that their state is damaged."""
        self.fetching: set[int] = set()
        """Those of them that have not fetched it since: whatever else rots meanwhile is fetched too."""
        self.checkpoints: dict[int, tuple[int, bytes]] = {}
        """The newest checkpoint that each of them took: its number and digest."""

    def begin(self, replica: int) -> None:
        """Its memory rots."""
        is_fetching = replica in self.fetching
        self.end(replica)
        self.replicas.add(replica)
        if is_fetching:
            self.found.add(replica)
            self.fetching.add(replica)

    def hear(self, replica: int, event: str, details: Mapping[str, Any]) -> bool:
        """A replica traced something; whether that says nothing of what is right."""
        if event == "state-fetched":
            self.fetching.discard(replica)
        if replica not in self.replicas:
            return False
        if event in FINDS:
            self.found.add(replica)
            self.fetching.add(replica)
        if event == "stable":
            return replica not in self.found  # a laggard cannot know; others will vouch against it, soon enough
        if event != "checkpoint":
            return False
        self.checkpoints[replica] = (details["sequence_number"], details["digest"])
        return True

    def end(self, replica: int) -> None:
        """Its memory is a new one."""
        for kind in (self.replicas, self.repaired, self.found, self.fetching):
            kind.discard(replica)
        self.checkpoints.pop(replica, None)


def is_whole(service: Service, sequence_number: int) -> bool:
    """Whether every node of a held checkpoint, down to its leaves, is what its parent vouches for."""
    unread: list[tuple[Path, bytes]] = [((), hashed(service, sequence_number))]
    while unread:
        path, digest = unread.pop()
        data = service.fetch(sequence_number, path) or b""
        kind = kind_of_node(path, data, digest)
        if kind is None:
            return False
        if kind is NodeKind.INNER:
            unread += [((*path, child), part) for child, part in enumerate(child_digests(data))]
    return True


def hashed(service: Service, sequence_number: int) -> bytes:
    """The digest of a held checkpoint, however much there is to hash."""
    while (digest := service.digest(sequence_number)) is None:
        pass
    return digest
